//! What a connection does, by what the real server says.

use alloc::{format, string::String, vec::Vec};
use core::ops::{Deref, DerefMut};

use super::{Nchan, id};
use crate::{
    Certainty, IoEvent, IoRequest, Payload, PublishId, Reason, Retry, Start, TransportKind,
    protocol::{
        Fact, FeedId, Intent, Lane, Message, Outgoing, Ticket, Uptake, Wanted,
        stage::{Stage, opened, wanted},
    },
};

struct Scene(Stage);

impl Scene {
    fn new(transport: TransportKind, wanted: &[Wanted]) -> Self {
        Self::with(transport, wanted, None)
    }

    fn with(transport: TransportKind, wanted: &[Wanted], ticket: Option<&Ticket>) -> Self {
        let nchan = Nchan::new().poll("http://a/poll").publish("http://a/pub");
        let url = "http://a/sub";

        Self(Stage::open(&nchan, url, transport, wanted, ticket, 1 << 20))
    }

    /// Takes what was asked: lane and URL.
    fn asked(&mut self) -> Vec<(Lane, String)> {
        self.out
            .requests
            .drain(..)
            .map(|(lane, request)| match request {
                IoRequest::Http(request) => (lane, request.url),
                IoRequest::WebSocket(request) => (lane, request.url),
                IoRequest::Cancel | IoRequest::Close(_) | IoRequest::Send(_) => {
                    panic!("asks nothing")
                }
            })
            .collect()
    }

    fn asked_one(&mut self) -> (Lane, String) {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1);

        asked.remove(0)
    }

    /// What is asked for in [`Out::wake`] stays there.
    fn hear(&mut self, lane: Lane, event: IoEvent) -> Result<(), Reason> {
        let Stage {
            codec, out, now, ..
        } = &mut self.0;

        codec.handle_lane(lane, event, out, *now)
    }

    fn hear_head(
        &mut self,
        lane: Lane,
        status: u16,
        headers: &[(&str, &str)],
    ) -> Result<(), Reason> {
        self.hear(lane, opened(status, headers))
    }

    fn hear_bytes(&mut self, lane: Lane, bytes: &str) {
        let chunk = Payload::from(bytes.as_bytes());
        self.hear(lane, IoEvent::Received(chunk)).unwrap();
    }

    /// What comes before a held answer: the path is proven, the clock known.
    fn greet(&mut self) -> Lane {
        let (lane, _) = self.asked_one();
        self.hear_head(lane, 200, &[DATE]).unwrap();
        assert!(self.is_proven());
        assert_eq!(self.asked(), []);
        self.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
        let (same, _) = self.asked_one();
        assert_eq!(same, lane);

        lane
    }

    fn open_socket(&mut self, lane: Lane) {
        let protocol = ("sec-websocket-protocol", "ws+meta.nchan");
        self.hear_head(lane, 101, &[protocol, DATE]).unwrap();
    }

    /// Takes the facts that concern feeds.
    fn told(&mut self) -> Vec<Fact> {
        let facts = core::mem::take(&mut self.out.facts);

        facts
            .into_iter()
            .filter(|fact| {
                matches!(
                    fact,
                    Fact::Event { .. }
                        | Fact::Gap { .. }
                        | Fact::Refused { .. }
                        | Fact::Subscribed { .. }
                )
            })
            .collect()
    }

    fn is_proven(&self) -> bool {
        self.out.facts.contains(&Fact::Hi)
    }
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.0
    }
}

fn after(id: &str) -> Start {
    Start::After(id::cursor(id::read(id).unwrap()))
}

fn subscribed(n: u64, id: &str) -> Fact {
    Fact::Subscribed {
        feed: FeedId::new(n),
        at: id::cursor(id::read(id).unwrap()),
    }
}

fn event(n: u64, id: &str, after: &str, name: &str, data: &str) -> Fact {
    let seq = id::read(id).unwrap();
    Fact::Event {
        channel: None,
        feed: FeedId::new(n),
        seq,
        after: id::read(after).unwrap(),
        name: name.into(),
        data: Payload::from(data.as_bytes()),
        time: Some(id::time(seq)),
        own: false,
    }
}

const DATE: (&str, &str) = ("date", "Sun, 22 Nov 2026 18:53:50 GMT");

#[test]
fn a_socket_resumes_from_the_message_before_the_last_and_that_proves_the_path() {
    let mut scene = Scene::new(
        TransportKind::WebSocket,
        &[wanted(1, "a", after("1795373636:1"))],
    );

    let (lane, url) = scene.asked_one();
    assert_eq!(url, "http://a/sub/a?last_event_id=1795373636%3A0");
    scene.open_socket(lane);
    assert!(!scene.is_proven());
    scene.hear_bytes(
        lane,
        "id: 1795373636:1\ncontent-type: application/json\n\n{\"a\":1}",
    );
    assert!(scene.is_proven());
    assert_eq!(scene.told(), [subscribed(1, "1795373636:1")]);
    scene.hear_bytes(lane, "id: 1795373637:0\n\nli\n\nve");
    assert_eq!(
        scene.told(),
        [event(1, "1795373637:0", "1795373636:1", "", "li\n\nve")]
    );
}

#[test]
fn a_history_that_was_trimmed_is_a_gap() {
    let mut scene = Scene::new(TransportKind::Sse, &[wanted(1, "a", after("5:1"))]);

    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(lane, ": hi\n\nid: 9:2\ndata: one\ndata: two\n\n");
    let before = id::cursor(id::read("9:1").unwrap());
    assert_eq!(
        scene.told(),
        [
            Fact::Gap {
                feed: FeedId::new(1),
                to: before,
                certainty: Certainty::Possible,
                why: "trimmed".into()
            },
            event(1, "9:2", "9:1", "", "one\ntwo"),
        ]
    );
}

#[test]
fn a_server_that_forgot_and_counts_again_in_the_same_second_is_found_out() {
    let mut scene = Scene::new(TransportKind::WebSocket, &[wanted(1, "a", Start::Earliest)]);
    let (lane, _) = scene.asked_one();
    scene.open_socket(lane);
    scene.hear_bytes(lane, "id: 5:1\n\nli\r\nne");
    scene.told();
    let ticket = scene.codec.ticket();

    for (data, is_same) in [("li\ndata: ne", true), ("other", false)] {
        let wanted = [wanted(1, "a", after("5:1"))];
        let mut scene = Scene::with(TransportKind::Sse, &wanted, ticket.as_ref());
        let (lane, url) = scene.asked_one();
        assert_eq!(url, "http://a/sub/a?last_event_id=5%3A0");
        scene.hear_head(lane, 200, &[DATE]).unwrap();
        scene.hear_bytes(lane, &format!(": hi\n\nid: 5:1\ndata: {data}\n\n"));
        if is_same {
            assert_eq!(scene.told(), [subscribed(1, "5:1")]);
            continue;
        }
        let place = |id| id::again(&id::cursor(id::read(id).unwrap()));
        assert_eq!(
            scene.told(),
            [
                Fact::Gap {
                    feed: FeedId::new(1),
                    to: place("5:0"),
                    certainty: Certainty::Possible,
                    why: "restarted".into()
                },
                event(1, "5:1", "5:0", "", "other"),
            ]
        );

        // From there it goes on like any other.
        let wanted = [Wanted {
            start: Start::After(place("5:1")),
            ..wanted[0].clone()
        }];
        let ticket = scene.codec.ticket();
        let mut scene = Scene::with(TransportKind::Sse, &wanted, ticket.as_ref());
        let (lane, _) = scene.asked_one();
        scene.hear_head(lane, 200, &[DATE]).unwrap();
        scene.hear_bytes(lane, ": hi\n\nid: 5:1\ndata: other\n\n");
        let at = place("5:1");
        let feed = FeedId::new(1);
        assert_eq!(scene.told(), [Fact::Subscribed { feed, at }]);
    }
}

#[test]
fn now_begins_by_the_servers_clock() {
    let mut scene = Scene::new(TransportKind::Sse, &[wanted(1, "a", Start::Now)]);

    let (lane, url) = scene.asked_one();
    assert_eq!(url, "http://a/sub/a");
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(
        lane,
        ": hi\n\nid: 1795373629:7\ndata: old\n\nevent: tick\nid: 1795373630:0\ndata: new\n\n",
    );
    assert_eq!(
        scene.told(),
        [
            subscribed(1, "1795373629:32767"),
            event(1, "1795373630:0", "1795373629:32767", "tick", "new"),
        ]
    );
}

#[test]
fn a_ping_without_data_is_no_event() {
    let mut scene = Scene::new(TransportKind::Sse, &[wanted(1, "a", Start::Earliest)]);

    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(lane, ": hi\n\nevent: ping\n\n");
    assert!(scene.is_proven());
    assert_eq!(scene.told(), [subscribed(1, "0:0")]);
}

#[test]
fn one_channel_proves_the_path_for_all() {
    let channels = [
        wanted(1, "a", Start::Earliest),
        wanted(2, "b", Start::Earliest),
        wanted(3, "c", Start::Earliest),
    ];
    let mut scene = Scene::new(TransportKind::Sse, &channels);

    let (lane, url) = scene.asked_one();
    assert_eq!(url, "http://a/sub/a");
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    assert_eq!(scene.asked(), []);
    scene.hear_bytes(lane, ": hi\n\n");
    let urls: Vec<_> = scene.asked().into_iter().map(|(_, url)| url).collect();
    assert_eq!(urls, ["http://a/sub/b", "http://a/sub/c"]);
}

#[test]
fn a_channel_that_is_denied_leaves_the_race_to_the_next() {
    let channels = [
        wanted(1, "a", Start::Earliest),
        wanted(2, "b", Start::Earliest),
    ];
    let mut scene = Scene::new(TransportKind::Sse, &channels);

    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 403, &[]).unwrap();
    let (lane, url) = scene.asked_one();
    assert_eq!(url, "http://a/sub/b");
    assert_eq!(scene.told(), []);
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(lane, ": hi\n\n");
    let reason = Reason::Refused {
        code: "forbidden".into(),
        retry: Retry::Never,
    };
    let feed = FeedId::new(1);
    assert!(scene.told().contains(&Fact::Refused { feed, reason }));
}

#[test]
fn what_is_denied_to_all_channels_is_the_paths_failure() {
    let mut scene = Scene::new(TransportKind::Sse, &[wanted(1, "a", Start::Earliest)]);

    let (lane, _) = scene.asked_one();
    assert_eq!(scene.hear_head(lane, 403, &[]), Err(Reason::Status(403)));
}

#[test]
fn long_polls_follow_one_another_by_the_id_in_the_head() {
    let mut scene = Scene::new(TransportKind::LongPoll, &[wanted(1, "a", Start::Earliest)]);

    let lane = scene.greet();
    let id = [
        DATE,
        ("last-modified", "Sun, 22 Nov 2026 18:53:45 GMT"),
        ("etag", "0"),
    ];
    scene.hear_head(lane, 200, &id).unwrap();
    scene.hear_bytes(lane, "m");
    scene.hear_bytes(lane, "1");
    scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
    assert_eq!(
        scene.told(),
        [
            subscribed(1, "0:0"),
            event(1, "1795373625:0", "0:0", "", "m1"),
        ]
    );
    assert_eq!(
        scene.asked_one().1,
        "http://a/sub/a?last_event_id=1795373625%3A0"
    );
}

#[test]
fn a_long_poll_on_a_channel_without_history_begins_by_the_servers_clock() {
    let mut scene = Scene::new(TransportKind::LongPoll, &[wanted(1, "a", Start::Now)]);

    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    assert_eq!(scene.told(), [subscribed(1, "1795373629:32767")]);
    scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
    assert_eq!(
        scene.asked_one().1,
        "http://a/sub/a?last_event_id=1795373629%3A32767"
    );
}

#[test]
fn a_poll_that_finds_nothing_waits() {
    let mut scene = Scene::new(TransportKind::Poll, &[wanted(1, "a", after("5:32767"))]);

    let (lane, url) = scene.asked_one();
    assert_eq!(url, "http://a/poll/a?last_event_id=5%3A32767");
    scene.hear_head(lane, 304, &[DATE]).unwrap();
    scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
    assert!(scene.is_proven());
    assert_eq!(scene.told(), [subscribed(1, "5:32767")]);
    assert_eq!(scene.asked(), []);
    scene.now = scene.out.wake.unwrap();
    scene
        .0
        .codec
        .handle_timeout(&mut scene.0.out, scene.0.now)
        .unwrap();
    assert_eq!(scene.asked().len(), 1);
}

#[test]
fn a_message_that_does_not_follow_its_head_is_missed_soon() {
    let mut scene = Scene::new(TransportKind::Poll, &[wanted(1, "a", after("5:3"))]);
    let (lane, _) = scene.asked_one();
    let last = [
        ("last-modified", "Thu, 01 Jan 1970 00:00:05 GMT"),
        ("etag", "3"),
    ];
    let begun = scene.now;
    scene.hear_head(lane, 200, &last).unwrap();
    assert!(!scene.is_proven());
    scene.now = scene.out.wake.unwrap();
    assert_eq!(scene.now.since(begun).as_secs(), 3);
    let late = scene.0.codec.handle_timeout(&mut scene.0.out, scene.0.now);
    assert_eq!(late, Err(Reason::Late));

    scene.hear_bytes(lane, "x");
    assert!(scene.is_proven());
    assert_eq!(scene.out.wake, None);
}

#[test]
fn a_poll_after_a_pause_asks_for_the_last_message_again() {
    let mut scene = Scene::new(TransportKind::Poll, &[wanted(1, "a", after("5:3"))]);
    let last = [
        ("last-modified", "Thu, 01 Jan 1970 00:00:05 GMT"),
        ("etag", "3"),
    ];

    for _ in 0..2 {
        let (lane, url) = scene.asked_one();
        assert_eq!(url, "http://a/poll/a?last_event_id=5%3A2");
        scene.hear_head(lane, 200, &last).unwrap();
        scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
        let (lane, url) = scene.asked_one();
        assert_eq!(url, "http://a/poll/a?last_event_id=5%3A3");
        scene.hear_head(lane, 304, &[DATE]).unwrap();
        scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
        scene.now = scene.out.wake.unwrap();
        scene
            .0
            .codec
            .handle_timeout(&mut scene.0.out, scene.0.now)
            .unwrap();
    }
    assert_eq!(scene.told(), [subscribed(1, "5:3")]);
}

#[test]
fn messages_that_were_passed_over_between_two_polls_are_a_hole() {
    let mut scene = Scene::new(TransportKind::LongPoll, &[wanted(1, "a", after("5:32767"))]);

    let lane = scene.greet();
    let id = [
        DATE,
        ("last-modified", "Thu, 01 Jan 1970 00:00:06 GMT"),
        ("etag", "4"),
    ];
    scene.hear_head(lane, 200, &id).unwrap();
    scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
    assert_eq!(scene.told().last(), Some(&event(1, "6:4", "6:3", "", "")));
}

#[test]
fn a_channel_that_is_gone_is_asked_for_again_and_has_a_gap() {
    let mut scene = Scene::new(TransportKind::Sse, &[wanted(1, "a", after("5:1"))]);

    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(lane, ": hi\n\nid: 5:1\ndata: x\n\n:410: 410 Gone\n\n");
    scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
    scene.told();
    assert_eq!(scene.asked(), []);

    scene.now = scene.out.wake.unwrap();
    scene
        .0
        .codec
        .handle_timeout(&mut scene.0.out, scene.0.now)
        .unwrap();
    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(lane, ": hi\n\nid: 9:0\ndata: y\n\n");

    let told = scene.told();
    assert!(matches!(told[..], [Fact::Gap { .. }, Fact::Event { .. }]));
}

#[test]
fn a_probe_asks_the_quietest_channel_anew() {
    let mut scene = Scene::new(TransportKind::WebSocket, &[wanted(1, "a", after("5:3"))]);

    let (lane, _) = scene.asked_one();
    scene.open_socket(lane);
    scene.hear_bytes(lane, "id: 5:3\n\nx");
    scene.told();
    let uptake = scene
        .0
        .codec
        .handle_intent(Intent::Probe, &mut scene.0.out, scene.0.now);
    assert_eq!(uptake, Uptake::Taken);
    let (lane, url) = scene.asked_one();
    assert_eq!(url, "http://a/sub/a?last_event_id=5%3A2");
    scene.open_socket(lane);
    scene.hear_bytes(lane, "id: 5:3\n\nx");
    assert!(scene.out.facts.contains(&Fact::Alive));
    assert_eq!(scene.told(), []);
}

#[test]
fn a_channel_more_is_a_lane_more_and_one_less_is_cancelled() {
    let mut scene = Scene::new(TransportKind::Sse, &[wanted(1, "a", Start::Earliest)]);

    let (lane, _) = scene.asked_one();
    scene.hear_head(lane, 200, &[DATE]).unwrap();
    scene.hear_bytes(lane, ": hi\n\n");
    let more = [wanted(2, "b", Start::Earliest)];
    scene
        .0
        .codec
        .handle_intent(Intent::Subscribe(&more), &mut scene.0.out, scene.0.now);
    let (other, _) = scene.asked_one();
    assert_ne!(lane, other);
    scene.0.codec.handle_intent(
        Intent::Unsubscribe(&[FeedId::new(1)]),
        &mut scene.0.out,
        scene.0.now,
    );
    assert_eq!(scene.out.requests, [(lane, IoRequest::Cancel)]);
}

#[test]
fn a_head_is_trusted_and_a_witness_asked_soon() {
    let mut scene = Scene::new(TransportKind::WebSocket, &[wanted(1, "a", Start::Now)]);

    let (lane, _) = scene.asked_one();
    scene.open_socket(lane);
    assert!(!scene.is_proven());
    assert!(
        scene
            .out
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::Welcome { .. }))
    );
    scene
        .0
        .codec
        .handle_intent(Intent::Probe, &mut scene.0.out, scene.0.now);
    let asked = scene.asked();
    let id = "?last_event_id=1795373629%3A32767";
    assert_eq!(asked[0], (lane, ["http://a/sub/a", id].concat()));
    assert_eq!(asked[1].1, ["http://a/sub/a", id].concat());
    let witness = asked[1].0;
    scene.open_socket(lane);
    scene.told();

    let head = [
        DATE,
        ("last-modified", "Sun, 22 Nov 2026 18:53:52 GMT"),
        ("etag", "0"),
    ];
    scene.hear_head(witness, 200, &head).unwrap();
    scene.hear_bytes(witness, "seen");
    scene.hear(witness, IoEvent::Finished(Ok(None))).unwrap();
    assert_eq!(
        scene.told(),
        [event(1, "1795373632:0", "1795373629:32767", "", "seen")]
    );
    scene.now = scene.out.wake.unwrap();
    let result = scene.0.codec.handle_timeout(&mut scene.0.out, scene.0.now);
    assert_eq!(result, Err(Reason::Late));
}

#[test]
fn a_lane_that_shows_what_the_witness_saw_is_well() {
    let mut scene = Scene::new(TransportKind::WebSocket, &[wanted(1, "a", Start::Now)]);
    let (lane, _) = scene.asked_one();
    scene.open_socket(lane);
    scene
        .0
        .codec
        .handle_intent(Intent::Probe, &mut scene.0.out, scene.0.now);
    let witness = scene.asked()[1].0;
    scene.open_socket(lane);
    scene.told();

    let head = [
        ("last-modified", "Sun, 22 Nov 2026 18:53:52 GMT"),
        ("etag", "0"),
    ];
    scene.hear_head(witness, 200, &head).unwrap();
    scene.hear(witness, IoEvent::Finished(Ok(None))).unwrap();
    scene.hear_bytes(lane, "id: 1795373632:0\n\nseen");

    assert_eq!(scene.told().len(), 1);
    assert_eq!(scene.out.wake, None);
}

#[test]
fn what_was_kept_while_nobody_read_and_nothing_was_known_is_a_possible_gap() {
    for (message, told) in [("1795373625:0", 2), ("1795373630:0", 1)] {
        let mut scene = Scene::new(
            TransportKind::Sse,
            &[wanted(1, "a", after("1795373600:32767"))],
        );
        let (lane, _) = scene.asked_one();
        scene.hear_head(lane, 200, &[DATE]).unwrap();
        scene.hear_bytes(lane, ": hi\n\n");
        assert_eq!(scene.told(), [subscribed(1, "1795373600:32767")]);

        let block = alloc::format!("id: {message}\ndata: x\n\n");
        scene.hear_bytes(lane, &block);

        assert_eq!(scene.told().len(), told, "{message}");
    }
}

#[test]
fn between_two_polls_nothing_is_missing_unless_one_failed() {
    for (fails, told) in [(false, 1), (true, 2)] {
        let mut scene = Scene::new(TransportKind::Poll, &[wanted(1, "a", Start::Now)]);
        let (lane, _) = scene.asked_one();
        scene.hear_head(lane, 304, &[DATE]).unwrap();
        scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();
        assert_eq!(scene.told(), [subscribed(1, "1795373629:32767")]);

        scene.now = scene.out.wake.unwrap();
        scene
            .0
            .codec
            .handle_timeout(&mut scene.0.out, scene.0.now)
            .unwrap();
        if fails {
            let cut = IoEvent::Finished(Err(crate::IoError::Cut));
            scene.hear(lane, cut).unwrap();
        }
        let later = ("date", "Sun, 22 Nov 2026 18:53:52 GMT");
        let id = [
            ("last-modified", "Sun, 22 Nov 2026 18:53:51 GMT"),
            ("etag", "3"),
        ];
        scene.hear_head(lane, 200, &[later, id[0], id[1]]).unwrap();
        scene.hear_bytes(lane, "x");
        scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();

        assert_eq!(scene.told().len(), told);
    }
}

#[test]
fn without_a_channel_there_is_nothing_to_ask() {
    let mut scene = Scene::new(TransportKind::WebSocket, &[]);

    assert_eq!(scene.asked(), []);
    assert!(matches!(scene.out.facts[..], [Fact::Welcome { .. }]));
    let more = [wanted(1, "a", Start::Now)];
    scene
        .0
        .codec
        .handle_intent(Intent::Subscribe(&more), &mut scene.0.out, scene.0.now);
    assert_eq!(scene.asked_one().1, "http://a/sub/a");
}

#[test]
fn a_publish_is_a_post_and_its_answer_the_reply() {
    for (status, result) in [
        (202, Ok(Payload::from(&b"{}"[..]))),
        (413, Err(Reason::TooLarge)),
    ] {
        let mut scene = Scene::new(TransportKind::WebSocket, &[]);
        let message = Message {
            id: PublishId::new(7),
            channel: "a".into(),
            name: "tick".into(),
            data: Payload::from(&b"x"[..]),
        };
        let batch = [Outgoing {
            message,
            number: 1,
            is_again: false,
        }];
        let publish = Intent::Publish(&batch);
        assert_eq!(
            scene
                .0
                .codec
                .handle_intent(publish, &mut scene.0.out, scene.0.now),
            Uptake::Taken
        );
        let (lane, url) = scene.asked_one();
        assert_eq!(url, "http://a/pub/a");

        scene.hear_head(lane, status, &[]).unwrap();
        scene.hear_bytes(lane, "{}");
        scene.hear(lane, IoEvent::Finished(Ok(None))).unwrap();

        let id = batch[0].message.id;
        assert!(scene.out.facts.contains(&Fact::Published { id, result }));
    }
}
