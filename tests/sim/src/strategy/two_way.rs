//! What goes both ways.

use proptest::{
    prelude::{Just, Strategy, any},
    prop_oneof,
    strategy::BoxedStrategy,
};

use crate::schedule::{Action, Provider};

/// What can happen, and how often.
pub(super) fn actions() -> Vec<(u32, BoxedStrategy<Action>)> {
    let channel = || 0..3_u8;
    let data = || proptest::option::weighted(0.7, 0..4_u8);
    let count = prop_oneof![8 => 1..4_u8, 1 => 4..60_u8];
    let provider = prop_oneof![
        20 => Just(Provider::Quick),
        12 => (1..20_000_u32).prop_map(Provider::Slow),
        8 => Just(Provider::Later),
        8 => Just(Provider::Same),
        4 => Just(Provider::Bad),
        1 => Just(Provider::Never),
    ];
    let crowd = (
        channel(),
        0..4_u8,
        data(),
        prop_oneof![9 => Just(false), 1 => Just(true)],
    );

    vec![
        (
            20,
            (channel(), count)
                .prop_map(|(channel, count)| Action::Send { channel, count })
                .boxed(),
        ),
        (
            2,
            any::<u8>().prop_map(|pick| Action::Cancel { pick }).boxed(),
        ),
        (
            6,
            (channel(), data())
                .prop_map(|(channel, data)| Action::Track { channel, data })
                .boxed(),
        ),
        (
            4,
            channel()
                .prop_map(|channel| Action::Look { channel })
                .boxed(),
        ),
        (
            2,
            any::<u8>()
                .prop_map(|pick| Action::LookAway { pick })
                .boxed(),
        ),
        (
            12,
            crowd
                .prop_map(|(channel, who, data, missed)| Action::Crowd {
                    channel,
                    who,
                    data,
                    missed,
                })
                .boxed(),
        ),
        (
            1,
            any::<bool>()
                .prop_map(|presence| Action::Forget { presence })
                .boxed(),
        ),
        (5, provider.prop_map(|how| Action::Provide { how }).boxed()),
        (2, Just(Action::Revoke).boxed()),
        (
            1,
            channel()
                .prop_map(|channel| Action::Lock { channel })
                .boxed(),
        ),
    ]
}
