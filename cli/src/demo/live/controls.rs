//! What the keys do to the hop.

use std::time::Duration;

use downlink_hop::{Fault, Latency, Plan, Strike};

/// The hop's plan, and whom the next fault is for.
#[derive(Default)]
pub(super) struct Controls {
    pub(super) plan: Plan,
    pub(super) target: Target,
}

/// Whom a fault is for.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(super) enum Target {
    Both,
    Http,
    #[default]
    WebSockets,
}

/// What is to be done.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// The hop resets all connections.
    Cut,
    /// The client is told that the network is another one.
    Roam,
    /// The hop has another plan.
    Set {
        plan: Plan,
        /// Whether live connections are cut, because the fault cannot meet them otherwise.
        cuts: bool,
    },
}

impl Controls {
    pub(super) fn press(&mut self, key: char) -> Option<Order> {
        match key {
            CUT => return Some(Order::Cut),
            ROAM => return Some(Order::Roam),
            TARGET => {
                self.target = self.target.next();
                return None;
            }
            SLOW if self.plan.latency == Latency::default() => self.plan.latency = LATENCY,
            SLOW => self.plan.latency = Latency::default(),
            WELL => *self = Self::default(),
            _ => {
                let (_, fault) = HAZARDS.into_iter().find(|(known, _)| *known == key)?;
                match self.target {
                    Target::Both => (self.plan.websocket, self.plan.http) = (fault, fault),
                    Target::Http => self.plan.http = fault,
                    Target::WebSockets => self.plan.websocket = fault,
                }
                return Some(Order::Set {
                    plan: self.plan,
                    cuts: meets_beginnings_only(fault),
                });
            }
        }

        Some(Order::Set {
            plan: self.plan,
            cuts: false,
        })
    }

    /// All keys in the order of the legend, with what they do and whether that is in force.
    pub(super) fn legend(&self) -> Vec<(&'static str, String, bool)> {
        let plan = &self.plan;
        let slow = format!("slow ({} ms)", LATENCY.one_way.as_millis());
        let mut legend = vec![("0", name(Fault::Pass), *plan == Plan::default())];
        for (index, (_, fault)) in HAZARDS.into_iter().enumerate() {
            let is_on = plan.websocket == fault || plan.http == fault;
            legend.push((&KEYS[index..=index], name(fault), is_on));
        }
        legend.push(("l", slow, plan.latency != Latency::default()));
        legend.push(("x", "cut all now".into(), false));
        legend.push(("n", "other network".into(), false));
        legend.push(("Tab", "other target".into(), false));
        legend.push(("q", "quit".into(), false));

        legend
    }
}

impl Target {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Http => "HTTP",
            Self::WebSockets => "WebSockets",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::WebSockets => Self::Http,
            Self::Http => Self::Both,
            Self::Both => Self::WebSockets,
        }
    }
}

/// Returns a fault's name, short enough for the legend.
pub(super) fn name(fault: Fault) -> String {
    match fault {
        Fault::Blackhole => "swallowed".into(),
        Fault::Buffer => "held back".into(),
        Fault::CutEvery(life) => format!("cut each {} s", life.as_secs()),
        Fault::Flap { .. } => "cut at random".into(),
        Fault::Garbage => "garbage".into(),
        Fault::HalfOpen { .. } => "half-open".into(),
        Fault::MuteAfterFrame => "mute from frame".into(),
        Fault::MuteAfterHead => "mute from head".into(),
        Fault::Pass => "all is well".into(),
        Fault::Refuse(status) => format!("refused ({status})"),
        Fault::RefuseConnection => "reset at once".into(),
        Fault::Truncate(Strike::BeforeHead) => "cut before head".into(),
        Fault::Truncate(Strike::InCharacter) => "cut in letter".into(),
        Fault::Truncate(Strike::InFrame) => "cut in frame".into(),
        Fault::Truncate(Strike::InHead) => "cut in head".into(),
    }
}

/// Whether a connection that is well under way never meets the fault.
fn meets_beginnings_only(fault: Fault) -> bool {
    match fault {
        Fault::Garbage | Fault::Refuse(_) | Fault::RefuseConnection | Fault::Truncate(_) => true,
        Fault::Blackhole
        | Fault::Buffer
        | Fault::CutEvery(_)
        | Fault::Flap { .. }
        | Fault::HalfOpen { .. }
        | Fault::MuteAfterFrame
        | Fault::MuteAfterHead
        | Fault::Pass => false,
    }
}

const HAZARDS: [(char, Fault); 14] = [
    ('1', Fault::Refuse(403)),
    ('2', Fault::RefuseConnection),
    ('3', Fault::Blackhole),
    ('4', Fault::MuteAfterHead),
    ('5', Fault::MuteAfterFrame),
    ('6', Fault::Buffer),
    ('7', Fault::Garbage),
    ('8', Fault::CutEvery(Duration::from_secs(1))),
    (
        '9',
        Fault::Flap {
            min: Duration::from_millis(50),
            max: Duration::from_millis(500),
        },
    ),
    (
        'a',
        Fault::HalfOpen {
            after: Duration::from_millis(500),
        },
    ),
    ('b', Fault::Truncate(Strike::BeforeHead)),
    ('c', Fault::Truncate(Strike::InHead)),
    ('d', Fault::Truncate(Strike::InFrame)),
    ('e', Fault::Truncate(Strike::InCharacter)),
];
/// Those of the hazards.
const KEYS: &str = "123456789abcde";
const WELL: char = '0';
const SLOW: char = 'l';
const CUT: char = 'x';
const ROAM: char = 'n';
pub(super) const TARGET: char = '\t';
const LATENCY: Latency = Latency {
    one_way: Duration::from_millis(100),
    jitter: Duration::from_millis(50),
    handshake: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_makes_the_hop_hostile_in_its_way() {
        let mut controls = Controls::default();
        for (key, (hazard, fault)) in KEYS.chars().zip(HAZARDS) {
            assert_eq!(key, hazard);

            controls.press(key);

            assert_eq!(controls.plan.websocket, fault);
            let legend = controls.legend();
            let on: Vec<_> = legend.iter().filter(|(.., is_on)| *is_on).collect();
            assert_eq!(on.len(), 1, "{on:?}");
            assert_eq!(on[0].0, key.to_string());
        }
    }

    #[test]
    fn faults_are_for_one_kind_or_both() {
        let mut controls = Controls::default();
        assert_eq!(controls.press(TARGET), None);
        controls.press('3');
        assert_eq!(controls.plan.http, Fault::Blackhole);
        assert_eq!(controls.plan.websocket, Fault::Pass);

        controls.press(TARGET);
        let order = controls.press('1');

        let refused = Plan {
            websocket: Fault::Refuse(403),
            http: Fault::Refuse(403),
            ..Plan::default()
        };
        assert_eq!(
            order,
            Some(Order::Set {
                plan: refused,
                cuts: true
            })
        );
        controls.press('0');
        assert_eq!(controls.plan, Plan::default());
    }
}
