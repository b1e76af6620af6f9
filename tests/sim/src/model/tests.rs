//! A model that cannot complain proves nothing: wrong histories, and what is said of them.

mod two_way;

use std::time::Duration;

use downlink_core::{
    Client, Command, Config, Event, Gap, Head, Instant, IoEvent, IoId, Notice, Output, Payload,
    Reason, Start, Text, TransportKind, protocol::Downlink,
};

use super::*;
use crate::{adapter, schedule::Setup, server::Asked};

#[test]
fn a_faithful_history_is_accepted() {
    let mut history = History::of(3);

    history.event(1).unwrap();
    history.event(2).unwrap();
    history.event(3).unwrap();

    assert!(history.behind().is_empty());
}

#[test]
fn an_event_that_comes_twice_is_noticed() {
    let mut history = History::of(3);
    history.event(1).unwrap();
    history.event(2).unwrap();

    assert_eq!(history.event(2), Err(Rule::Twice));
}

#[test]
fn an_event_from_before_the_beginning_is_noticed() {
    let mut history = History::after(3, 1);
    history.event(2).unwrap();

    assert_eq!(history.event(1), Err(Rule::Order));
}

#[test]
fn an_event_that_is_left_out_is_noticed() {
    let mut history = History::of(3);
    history.event(1).unwrap();

    assert_eq!(history.event(3), Err(Rule::Lost));
}

#[test]
fn an_event_that_was_never_published_is_noticed() {
    let mut history = History::of(1);
    history.event(1).unwrap();

    assert_eq!(history.event(2), Err(Rule::Contents));
}

#[test]
fn an_event_that_holds_something_else_is_noticed() {
    let mut history = History::of(2);
    let mut event = history.make(1);
    event.data = Payload::from(&b"something else"[..]);

    assert_eq!(history.tell_event(event), Err(Rule::Contents));
}

#[test]
fn a_gap_where_nothing_is_missing_is_noticed() {
    let mut history = History::of(3);
    history.event(1).unwrap();

    assert_eq!(history.gap(1, 2), Err(Rule::FalseGap));
}

#[test]
fn a_gap_over_what_is_no_longer_kept_is_accepted() {
    let mut history = History::of(3);
    history.event(1).unwrap();
    history.servers.trim(0, 1);

    history.gap(1, 2).unwrap();
    history.event(3).unwrap();
}

#[test]
fn a_gap_that_does_not_begin_where_the_subscription_stands_is_noticed() {
    let mut history = History::of(3);
    history.event(1).unwrap();
    history.servers.trim(0, 0);

    assert_eq!(history.gap(2, 3), Err(Rule::GapPosition));
}

#[test]
fn a_subscription_that_does_not_come_to_the_end_is_behind() {
    let mut history = History::of(2);
    history.event(1).unwrap();

    assert_eq!(history.behind().len(), 1);
}

#[test]
fn one_that_asked_for_what_comes_next_and_gets_what_was_is_noticed() {
    let mut history = History::new(3);
    let bounds = Bounds(Place { log: 0, seq: 3 });
    history.subscribe(Begins::Relative(Asked::Now, bounds));

    assert_eq!(history.event(2), Err(Rule::Start));
}

#[test]
fn an_event_before_the_snapshot_is_noticed() {
    let mut history = History::new(3);
    history.subscribe(Begins::Snapshot);

    assert_eq!(history.event(1), Err(Rule::Start));
}

#[test]
fn more_unfinished_deliveries_than_the_bound_are_noticed() {
    let mut history = History::of(20);
    let told: Vec<_> = (1..=10).map(|seq| history.event(seq)).collect();

    assert!(told.contains(&Err(Rule::Queue)));
}

#[test]
fn an_end_without_a_cause_is_noticed() {
    let mut history = History::of(1);

    assert_eq!(history.end(Reason::CursorRefused), Err(Rule::Ended));
}

#[test]
fn what_comes_behind_the_end_is_noticed() {
    let mut history = History::of(1);
    history.model.on_unsubscribe(SUBSCRIPTION);
    history.end(Reason::Closed).unwrap();

    assert_eq!(history.event(1), Err(Rule::Ended));
}

#[test]
fn a_client_that_gives_up_by_itself_is_noticed() {
    let mut history = History::of(1);
    let state = State::Disconnected {
        reason: Some(Reason::Silent),
        retry_at: None,
    };

    assert_eq!(history.tell(&Told::State(state)), Err(Rule::Closed));
}

#[test]
fn coming_back_before_the_time_that_the_server_named_is_noticed() {
    let mut history = History::of(1);
    let refused = State::Disconnected {
        reason: Some(Reason::Refused {
            code: "busy".into(),
            retry: Retry::After(Duration::from_secs(1)),
        }),
        retry_at: Some(Duration::from_secs(1)),
    };
    history.tell(&Told::State(refused)).unwrap();

    let connecting = State::Connecting { reason: None };
    assert_eq!(history.tell(&Told::State(connecting)), Err(Rule::Advice));
}

#[test]
fn a_thirty_first_attempt_within_a_minute_is_noticed() {
    let mut attempts = Attempts::default();
    for at in 0..30 {
        attempts.note(at * 1_000).unwrap();
    }

    assert_eq!(
        attempts.note(59_000).map_err(|broken| broken.rule),
        Err(Rule::Attempts)
    );
}

/// A subscription's history, told to the model.
struct History {
    model: Model,
    servers: Servers,
    event: Event,
    gap: Gap,
}

impl History {
    fn new(published: u16) -> Self {
        let setup = Setup {
            seed: 1,
            instances: 1,
            transports: Vec::new(),
            opening: true,
            remembers: None,
            has: Vec::new(),
            beat: 5_000,
            hold: 25_000,
            spread: 0,
            queue_count: 4,
            latency: 0,
            jitter: 0,
            hides: false,
            shreds: false,
            keeps: 0,
            lease: 0,
            ttl: None,
            outbox_age: 0,
        };
        let mut servers = Servers::new(&setup);
        servers.publish(0, published, false, 0);
        let (event, gap) = samples();

        Self {
            model: Model::new(4, 1 << 20),
            servers,
            event,
            gap,
        }
    }

    /// One that begins before so many events.
    fn of(published: u16) -> Self {
        Self::after(published, 0)
    }

    fn after(published: u16, seq: u64) -> Self {
        let mut history = Self::new(published);
        history.subscribe(Begins::After(Place { log: 0, seq }));

        history
    }

    fn subscribe(&mut self, begins: Begins) {
        let wish = Wish {
            channel: 0,
            at: 0,
            begins,
        };
        self.model.on_subscribe(SUBSCRIPTION, wish);
    }

    fn make(&self, seq: u64) -> Event {
        let channel = &self.servers.channels[0];
        let mut data = Vec::new();
        let name = channel.content(Place { log: 0, seq }, &mut data);
        let mut event = self.event.clone();
        event.channel = channel.name.into();
        event.cursor = cursor(seq);
        event.name = Text::from(name);
        event.data = Payload::from(data);
        event.time = None;

        event
    }

    fn event(&mut self, seq: u64) -> Result<(), Rule> {
        self.tell_event(self.make(seq))
    }

    fn tell_event(&mut self, event: Event) -> Result<(), Rule> {
        self.tell(&Told::Delivery(SUBSCRIPTION, Delivery::Event(event)))
    }

    fn gap(&mut self, from: u64, to: u64) -> Result<(), Rule> {
        let mut gap = self.gap.clone();
        gap.from = Some(cursor(from));
        gap.to = cursor(to);

        self.tell(&Told::Delivery(SUBSCRIPTION, Delivery::Gap(gap)))
    }

    fn end(&mut self, reason: Reason) -> Result<(), Rule> {
        self.tell(&Told::Ended(SUBSCRIPTION, reason))
    }

    fn tell(&mut self, told: &Told) -> Result<(), Rule> {
        self.model
            .on_told(told, &self.servers, 0)
            .map_err(|broken| broken.rule)
    }

    fn behind(&self) -> Vec<String> {
        self.model.behind(&self.servers.channels)
    }
}

fn cursor(seq: u64) -> downlink_core::Cursor {
    format!("e0:{seq}").parse().unwrap()
}

/// An event and a gap, as a client says them.
fn samples() -> (Event, Gap) {
    let mut config = Config::new("http://sample/downlink", Downlink);
    config.transports = vec![TransportKind::WebSocket];
    let now = Instant::default();
    let mut client = Client::new(config, [1; 32], Duration::ZERO, now);
    let command: Command = adapter::subscribe(SUBSCRIPTION, "room:1", Start::Now, false);
    client.handle_command(command, now);
    while client.poll_output().is_some() {}
    let head = Head {
        status: 101,
        headers: vec![("sec-websocket-protocol".into(), "downlink.v1".into())],
    };
    let frames =
        "hi v=1 hello=1 beat=5000\nwelcome\nok 1 at=e0:0\ne 1 1 msg :x\ngap 1 to=e0:9 why=slow\n";
    client.handle_io(IoId::new(0), IoEvent::Opened(head), now);
    let received = IoEvent::Received(Payload::from(frames.as_bytes()));
    client.handle_io(IoId::new(0), received, now);

    let (mut event, mut gap) = (None, None);
    while let Some(output) = client.poll_output() {
        if let Output::Notice(Notice::Delivery(_, delivery)) = output {
            match delivery {
                Delivery::Event(one) => event = Some(one),
                Delivery::Gap(one) => gap = Some(one),
            }
        }
    }

    (event.unwrap(), gap.unwrap())
}

const SUBSCRIPTION: SubscriptionId = SubscriptionId::new(1);
