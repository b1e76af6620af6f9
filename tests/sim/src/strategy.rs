//! How schedules are made, and made smaller.

mod two_way;

use proptest::{
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::{select, subsequence},
    strategy::Union,
};

use crate::{
    fault::{HopFault, ServerFault},
    schedule::{Action, Hint, Hook, Reading, Schedule, Setup, Start, Step},
};

/// Schedules of so many steps, or up to half as many more.
pub fn schedules(steps: usize) -> impl Strategy<Value = Schedule> {
    (
        setup(),
        proptest::collection::vec(step(), steps..=steps * 3 / 2),
    )
        .prop_map(|(setup, steps)| {
            let first = Step {
                after: 0,
                action: Action::Subscribe {
                    channel: 0,
                    start: Start::Now,
                    reading: Reading::Prompt,
                    hook: None,
                },
            };
            Schedule {
                setup,
                steps: std::iter::once(first).chain(steps).collect(),
            }
        })
}

fn setup() -> impl Strategy<Value = Setup> {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = names(&["websocket", "sse", "stream", "long-poll", "poll"]);
    let transports = prop_oneof![
        6 => Just(all.clone()),
        2 => subsequence(all.clone(), 1..=5),
        1 => select(all.clone()).prop_map(|one| vec![one]),
    ];
    let claims = names(&["websocket", "sse", "stream", "publish", "presence"]);
    let has = prop_oneof![3 => Just(claims.clone()), 1 => subsequence(claims, 0..=5)];
    let remembers = prop_oneof![4 => Just(None), 1 => select(all).prop_map(Some)];
    let client = (
        transports,
        any::<bool>(),
        remembers,
        select(vec![4_usize, 32, 1024]),
    );
    let server = (
        1..=3_u8,
        has,
        select(vec![5_000_u32, 5_000, 1_000, 30_000]),
        select(vec![25_000_u32, 25_000, 2_000]),
        select(vec![0_u32, 0, 0, 3_000]),
    );
    let network = (
        select(vec![1_u32, 15, 15, 60, 250]),
        select(vec![0_u32, 5, 50]),
        any::<bool>(),
        any::<bool>(),
    );

    let both = (
        select(vec![120_000_u32, 120_000, 5_000, 0]),
        select(vec![60_000_u32, 9_000]),
        prop_oneof![2 => Just(None), 1 => select(vec![600_000_u32, 20_000, 4_000]).prop_map(Some)],
        select(vec![0_u32, 0, 4_000]),
    );

    (any::<u64>(), client, server, network, both).prop_map(
        |(seed, client, server, network, both)| {
            let (transports, opening, remembers, queue_count) = client;
            let (instances, mut has, beat, hold, spread) = server;
            let (latency, jitter, hides, shreds) = network;
            let (keeps, lease, ttl, outbox_age) = both;
            // What only a poll can replace has to be there for who has no poll.
            if !transports.iter().any(|name| name.ends_with("poll")) {
                has.retain(|claim| matches!(&**claim, "publish" | "presence"));
                has.extend(transports.iter().cloned());
            }
            Setup {
                seed,
                instances,
                transports,
                opening,
                remembers,
                has,
                beat,
                hold,
                spread,
                queue_count,
                latency,
                jitter,
                hides,
                shreds,
                keeps,
                lease,
                ttl,
                outbox_age,
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![
        4 => 0..5_u32,
        6 => 5..300_u32,
        5 => 300..3_000_u32,
        1 => 3_000..25_000_u32,
    ];

    (after, action()).prop_map(|(after, action)| Step { after, action })
}

fn action() -> Union<proptest::strategy::BoxedStrategy<Action>> {
    let channel = || 0..3_u8;
    let instance = || 0..3_u8;
    let ms = || prop_oneof![3 => 50..3_000_u32, 1 => 3_000..40_000_u32];

    let mut all = vec![
        (40, publish().boxed()),
        (12, Just(Action::Wait).boxed()),
        (8, subscribe().boxed()),
        (
            5,
            (any::<u8>(), reading())
                .prop_map(|(pick, reading)| Action::Read { pick, reading })
                .boxed(),
        ),
        (
            4,
            (0..16_u8)
                .prop_map(|pick| Action::Unsubscribe { pick })
                .boxed(),
        ),
        (6, hint().prop_map(|hint| Action::Hint { hint }).boxed()),
        (1, Just(Action::Connect).boxed()),
        (
            8,
            (hop_fault(), ms())
                .prop_map(|(fault, ms)| Action::Hop { fault, ms })
                .boxed(),
        ),
        (
            7,
            (instance(), server_fault(), ms())
                .prop_map(|(instance, fault, ms)| Action::Serve {
                    instance,
                    fault,
                    ms,
                })
                .boxed(),
        ),
        (
            4,
            (0..4_u8).prop_map(|pick| Action::HalfOpen { pick }).boxed(),
        ),
        (4, (0..4_u8).prop_map(|pick| Action::Reset { pick }).boxed()),
        (3, ms().prop_map(|ms| Action::Partition { ms }).boxed()),
        (
            2,
            (ms(), any::<bool>())
                .prop_map(|(ms, loses)| Action::Sleep { ms, loses })
                .boxed(),
        ),
        (
            1,
            (1..400_u32, 0..100_u32)
                .prop_map(|(ms, jitter)| Action::Latency { ms, jitter })
                .boxed(),
        ),
        (
            3,
            (instance(), ms())
                .prop_map(|(instance, ms)| Action::Restart { instance, ms })
                .boxed(),
        ),
        (
            3,
            (instance(), 0..8_000_u32, ms())
                .prop_map(|(instance, ms, down)| Action::Drain { instance, ms, down })
                .boxed(),
        ),
        (
            1,
            (
                channel(),
                proptest::option::weighted(0.8, 0..4_000_u32),
                ms(),
            )
                .prop_map(|(channel, retry, ms)| Action::Deny { channel, retry, ms })
                .boxed(),
        ),
        (
            1,
            channel()
                .prop_map(|channel| Action::Leave { channel })
                .boxed(),
        ),
        (
            2,
            channel()
                .prop_map(|channel| Action::Hole { channel })
                .boxed(),
        ),
        (
            2,
            channel()
                .prop_map(|channel| Action::Drop { channel })
                .boxed(),
        ),
        (
            2,
            channel()
                .prop_map(|channel| Action::NewEpoch { channel })
                .boxed(),
        ),
        (
            4,
            (channel(), 0..20_u16)
                .prop_map(|(channel, keep)| Action::Trim { channel, keep })
                .boxed(),
        ),
    ];
    all.extend(two_way::actions());

    Union::new_weighted(all)
}

fn publish() -> impl Strategy<Value = Action> {
    let count = prop_oneof![20 => 1..4_u16, 4 => 4..20_u16, 1 => 20..160_u16];
    let hidden = prop_oneof![9 => Just(false), 1 => Just(true)];

    (0..3_u8, count, hidden).prop_map(|(channel, count, hidden)| Action::Publish {
        channel,
        count,
        hidden,
    })
}

fn subscribe() -> impl Strategy<Value = Action> {
    let start = prop_oneof![
        4 => Just(Start::Now),
        2 => (0..40_u16).prop_map(Start::After),
        1 => Just(Start::AfterOldEpoch),
        1 => Just(Start::Earliest),
        2 => (0..40_u16).prop_map(Start::Last),
        2 => (0..20_000_u32).prop_map(Start::Since),
    ];
    let hook = prop_oneof![
        4 => Just(None),
        1 => prop_oneof![
            Just(Hook::Quick),
            (1..5_000_u32).prop_map(Hook::Slow),
            Just(Hook::Fails),
            Just(Hook::Old),
        ]
        .prop_map(Some),
    ];

    (0..3_u8, start, reading(), hook).prop_map(|(channel, start, reading, hook)| {
        Action::Subscribe {
            channel,
            start,
            reading,
            hook,
        }
    })
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        5 => Just(Reading::Prompt),
        2 => (1..500_u32).prop_map(Reading::Slow),
        1 => Just(Reading::Stopped),
    ]
}

fn hint() -> impl Strategy<Value = Hint> {
    prop_oneof![
        Just(Hint::Background),
        Just(Hint::Foreground),
        any::<bool>().prop_map(Hint::NetworkChanged),
        Just(Hint::Offline),
        Just(Hint::Online),
        Just(Hint::Woke),
    ]
}

fn hop_fault() -> impl Strategy<Value = HopFault> {
    select(vec![
        HopFault::Buffers,
        HopFault::Buffers,
        HopFault::Dns,
        HopFault::Flaps,
        HopFault::Garbage,
        HopFault::Mutes,
        HopFault::MutesAfterHi,
        HopFault::Page,
        HopFault::RefusesWebSocket,
        HopFault::RefusesWebSocket,
        HopFault::RetryAfter,
        HopFault::Strips,
        HopFault::Truncates,
        HopFault::Unreachable,
    ])
}

fn server_fault() -> impl Strategy<Value = ServerFault> {
    prop_oneof![
        40 => (0..5_000_u32).prop_map(ServerFault::Busy),
        1 => Just(ServerFault::Forbids),
        60 => (1..4_000_u32).prop_map(ServerFault::Lags),
        20 => Just(ServerFault::Malformed),
        20 => Just(ServerFault::Mute),
        20 => Just(ServerFault::NotFound),
        20 => Just(ServerFault::NeverWelcomes),
        20 => Just(ServerFault::NoHi),
        30 => Just(ServerFault::Rejects),
        40 => Just(ServerFault::Stalls),
        60 => (1..8_000_u32).prop_map(ServerFault::Slow),
    ]
}
