//! What was found.

use std::{process::ExitCode, time::Duration};

use downlink::TransportKind;

use super::{fault::Fault, idle::Idle, path::Way, probe::Speech, trial::Race};

#[derive(Default)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) way: Way,
    /// Why there is no way at all.
    pub(super) way_fault: Option<Fault>,
    pub(super) speech: Option<Speech>,
    /// Who answers if it is not Downlink, where that is told.
    pub(super) stranger: Option<&'static str>,
    pub(super) checks: Vec<Check>,
    pub(super) race: Option<Result<Race, Fault>>,
    pub(super) idle: Vec<(&'static str, Idle)>,
    /// What else there is to know.
    pub(super) notes: Vec<String>,
}

/// What became of one transport.
pub(super) struct Check {
    pub(super) transport: TransportKind,
    pub(super) fault: Option<Fault>,
    pub(super) head: Option<Duration>,
    pub(super) first_frame: Option<Duration>,
    pub(super) welcome: Option<Duration>,
    /// How long the client took alone on it.
    pub(super) connected: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Well,
    Hindered,
    Nothing,
    /// What hinders is no hop.
    Refused,
}

impl Report {
    pub(super) fn hindered(&self) -> impl Iterator<Item = (TransportKind, &Fault)> {
        self.checks.iter().filter_map(|check| {
            let fault = check.fault.as_ref().filter(|fault| fault.hinders())?;
            Some((check.transport, fault))
        })
    }

    pub(super) fn verdict(&self) -> Verdict {
        let connects = matches!(self.race, Some(Ok(_)))
            || self.checks.iter().any(|check| check.fault.is_none());
        let mut hindered = self.hindered().peekable();
        if !connects || self.way_fault.is_some() {
            let is_refused = hindered.peek().is_some()
                && hindered.all(|(_, fault)| matches!(fault, Fault::RefusedByServer(_)));
            if is_refused {
                Verdict::Refused
            } else {
                Verdict::Nothing
            }
        } else if hindered.peek().is_some()
            || self.idle.iter().any(|(_, idle)| idle.is_bad())
            || !matches!(self.race, Some(Ok(_)))
        {
            Verdict::Hindered
        } else {
            Verdict::Well
        }
    }

    /// What the server speaks, where that is told.
    pub(super) fn server(&self) -> Option<&'static str> {
        self.speech.as_ref().map(|_| "Downlink").or(self.stranger)
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if !self.way.dead.is_empty() && self.way.address.is_some() {
            let dead: Vec<_> = self.way.dead.iter().map(ToString::to_string).collect();
            let dead = dead.join(", ");
            notes.push(format!("these addresses of the host do not answer: {dead}"));
        }
        notes.extend(self.slowness());

        notes
    }

    /// Where even a poll takes that long, nobody holds a long-poll back.
    pub(super) fn excuse_what_is_slow(&mut self) {
        let polled = self
            .checks
            .iter()
            .find(|check| check.transport == TransportKind::Poll);
        let Some(polled) = polled.and_then(|check| check.first_frame) else {
            return;
        };
        for check in &mut self.checks {
            let is_like_it = check.first_frame.is_some_and(|frame| frame < polled * 2);
            if check.transport == TransportKind::LongPoll
                && is_like_it
                && matches!(check.fault, Some(Fault::HeldBack(_)))
            {
                check.fault = None;
            }
        }
    }

    /// A transport that the server does not claim cannot be missing.
    pub(super) fn excuse_what_is_not_offered(&mut self) {
        let Some(has) = self.speech.as_ref().and_then(|speech| speech.has.as_ref()) else {
            return;
        };
        for check in &mut self.checks {
            let is_claimed = match check.transport {
                TransportKind::LongPoll | TransportKind::Poll => true,
                TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket => {
                    has.iter().any(|claim| claim == check.transport.name())
                }
            };
            if !is_claimed {
                *check = Check::not_offered(check.transport);
            }
        }
    }

    /// What the server says is called slow, and what the way does is not held against it.
    fn slowness(&self) -> Option<String> {
        let working = self.checks.iter().filter(|check| check.fault.is_none());
        let first = working
            .clone()
            .filter_map(|check| check.first_frame)
            .min()?;
        let welcome = working.filter_map(|check| check.welcome).min();
        let welcome = welcome.map(|welcome| welcome.saturating_sub(first));
        if first > SLOW {
            return Some("the way or the server is slow, and not broken".into());
        }

        (welcome.is_none_or(|welcome| welcome > SLOW)).then(|| {
            "the server is slow to accept, and not broken: it says hi and beats meanwhile".into()
        })
    }
}

impl Check {
    pub(super) fn not_offered(transport: TransportKind) -> Self {
        Self {
            transport,
            fault: Some(Fault::NotOffered),
            head: None,
            first_frame: None,
            welcome: None,
            connected: None,
        }
    }
}

impl Verdict {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Well => "all is well",
            Self::Hindered => "hindered, and it connects",
            Self::Nothing => "nothing gets through",
            Self::Refused => "the way is free, and the server refuses",
        }
    }

    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Well => 0,
            Self::Hindered => 1,
            Self::Nothing | Self::Refused => 2,
        })
    }
}

const SLOW: Duration = Duration::from_secs(1);
