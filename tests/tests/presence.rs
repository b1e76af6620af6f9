//! Who is there, by real clients through a path that breaks.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use downlink::{Client, Presence, Reason, Start, TransportKind};
use downlink_hop::{Fault, Plan};
use downlink_server::Config;
use downlink_testing::{Network, hop_before};
use downlink_tests::received::PATIENCE;
use futures_util::{StreamExt, future::try_join_all};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_do_not_flicker() -> Result<()> {
    do_not_flicker(200, Duration::from_secs(20)).await
}

/// As long as it takes to believe it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes"]
async fn two_hundred_clients_do_not_flicker_for_two_minutes() -> Result<()> {
    do_not_flicker(200, Duration::from_secs(120)).await
}

/// All are cut every few seconds, WebSockets come and go, and some members really come and go.
async fn do_not_flicker(count: usize, lasts: Duration) -> Result<()> {
    let stage = Network::start().await?;
    let builder = || {
        stage
            .client()
            .backoff(Duration::from_millis(20), Duration::from_millis(500))
    };
    let mut watchers = vec![Watcher::begin(builder().connect()?)];
    for transport in TransportKind::ALL {
        watchers.push(Watcher::begin(builder().transports([transport]).connect()?));
    }
    let mut members = Vec::new();
    for n in 0..count {
        let builder = builder().member(format!("m{n:03}"));
        let client = match n % 6 {
            0 => builder,
            n => builder.transports([TransportKind::ALL[n - 1]]),
        };
        members.push(client.connect()?);
    }
    // Those with a subscription climb; a member alone has nothing to climb for.
    let events: Vec<_> = members
        .iter()
        .map(|member| member.subscribe("room", Start::Now))
        .collect();
    try_join_all(members.iter().map(|member| member.track("room", "here"))).await?;

    let mut truth = BTreeMap::<String, usize>::new();
    let began = Instant::now();
    for round in 0.. {
        if began.elapsed() > lasts {
            break;
        }
        stage.hop.set(Plan {
            websocket: if round % 3 == 1 {
                Fault::RefuseConnection
            } else {
                Fault::Pass
            },
            ..Plan::default()
        });
        stage.hop.cut();
        // Five that may use any transport leave and come back, one each round: that is the truth.
        let n = round % 5 * 6;
        let left = timeout(LONGEST, members[n].untrack("room")).await;
        left.with_context(|| format!("m{n:03} cannot leave in round {round}"))??;
        sleep(PERIOD / 2).await;
        let came = timeout(LONGEST, members[n].track("room", format!("{round}"))).await;
        came.with_context(|| format!("m{n:03} cannot come in round {round}"))??;
        *truth.entry(format!("m{n:03}")).or_default() += 1;
        sleep(PERIOD / 2).await;
    }
    stage.hop.set(Plan::default());

    ensure!(stage.server.inner().members("room").len() == count);
    ensure!(stage.server.inner().counters().expired == 0);
    for watcher in watchers {
        let seen = watcher.end(count).await?;
        for (id, (joins, leaves)) in &seen {
            let changes = truth.get(id).copied().unwrap_or(0);
            ensure!(
                *joins == leaves + 1 && *leaves <= changes,
                "{id} joined {joins} times and left {leaves} times; it really left {changes} times"
            );
        }
        ensure!(seen.len() == count, "{} of {count}", seen.len());
    }
    drop(events);

    Ok(())
}

/// Counts how often each member came and went.
struct Watcher {
    client: Client,
    task: JoinHandle<Result<BTreeMap<String, (usize, usize)>>>,
}

impl Watcher {
    fn begin(client: Client) -> Self {
        let mut presence = client.presence("room");
        let events = client.subscribe("room", Start::Now);
        let task = tokio::spawn(async move {
            let mut seen = BTreeMap::<String, (usize, usize)>::new();
            while let Some(changes) = presence.next().await {
                let changes = changes?;
                for member in changes.joined {
                    seen.entry(member.id.to_string()).or_default().0 += 1;
                }
                for member in changes.left {
                    seen.entry(member.id.to_string()).or_default().1 += 1;
                }
            }
            drop(events);
            Ok(seen)
        });

        Self { client, task }
    }

    /// Waits until it sees so many, and ends.
    async fn end(self, count: usize) -> Result<BTreeMap<String, (usize, usize)>> {
        let mut presence = self.client.presence("room");
        until(&mut presence, |presence| presence.members().len() == count)
            .await
            .context("not all are seen")?;
        drop(presence);
        self.client.close().await;

        self.task.await?
    }
}

#[tokio::test]
async fn devices_data_and_ends_are_seen_on_each_transport() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        let builder = || stage.client().transports([transport]);
        let watcher = builder().connect()?;
        let mut presence = watcher.presence("room");
        next(&mut presence).await?;
        ensure!(presence.members().len() == 0);

        let phone = builder().member("ann").connect()?;
        let laptop = builder().member("ann").connect()?;
        phone.track("room", "phone").await?;
        ensure!(shows(&mut presence, "+ann*1 phone").await?);
        laptop.track("room", "laptop").await?;
        ensure!(shows(&mut presence, "~ann*2 laptop").await?);
        laptop.track("room", "laptop 2").await?;
        ensure!(shows(&mut presence, "~ann*2 laptop 2").await?);
        laptop.close().await;
        ensure!(
            shows(&mut presence, "~ann*1 phone").await?,
            "bye over {transport}"
        );
        phone.untrack("room").await?;
        ensure!(shows(&mut presence, "-ann*1 phone").await?);
        ensure!(presence.members().len() == 0);
    }

    Ok(())
}

#[tokio::test]
async fn who_vanishes_leaves_with_the_lease_and_who_is_quiet_does_not() -> Result<()> {
    for transport in TransportKind::ALL {
        let mut config = Config::default();
        config.lease = Duration::from_secs(3);
        let stage = Network::with_config(config).await?;
        let quiet = stage
            .client()
            .transports([transport])
            .member("quiet")
            .connect()?;
        quiet.track("room", "").await?;
        let way = hop_before(stage.server.address(), None).await?;
        let gone = Client::builder(format!("http://{}/downlink", way.address()))
            .transports([transport])
            .member("gone")
            .connect()?;
        gone.track("room", "").await?;
        let watcher = stage.client().connect()?;
        let mut presence = watcher.presence("room");
        until(&mut presence, |presence| presence.members().len() == 2).await?;
        drop(way);
        until(&mut presence, |presence| presence.members().len() == 1).await?;
        ensure!(stage.server.inner().counters().expired == 1, "{transport}");
        sleep(Duration::from_secs(4)).await;
        ensure!(
            stage.server.inner().members("room").len() == 1,
            "{transport}"
        );
    }

    Ok(())
}

#[tokio::test]
async fn a_server_that_forgot_all_is_told_again() -> Result<()> {
    let stage = Network::start().await?;
    let client = stage.client().member("ann").connect()?;
    client.track("room", "here").await?;
    let watcher = stage.client().connect()?;
    let mut presence = watcher.presence("room");
    until(&mut presence, |presence| presence.members().len() == 1).await?;

    stage.server.inner().forget_presence();
    stage.hop.cut();
    timeout(PATIENCE, async {
        while stage.server.inner().members("room").is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await?;
    until(&mut presence, |presence| presence.members().len() == 1).await?;

    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_members_are_seen_in_one_channel() -> Result<()> {
    let mut config = Config::default();
    config.members = 10_000;
    config.tracks = 1;
    let stage = Network::with_config(config).await?;
    for n in 0..9_999_usize {
        stage
            .server
            .inner()
            .seat("room", &format!("m{n:05}"), "here");
    }
    for transport in TransportKind::ALL {
        let client = stage
            .client()
            .transports([transport])
            .member("last")
            .connect()?;
        let mut presence = client.presence("room");
        until(&mut presence, |presence| presence.members().len() == 9_999).await?;
        client.track("room", "x").await?;
        ensure!(shows(&mut presence, "+last*1 x").await?);
        let late = stage.client().member("one too many").connect()?;
        let refused = late.track("room", "x").await;
        ensure!(
            matches!(&refused, Err(Reason::Refused { code, .. }) if &**code == "rejected"),
            "{refused:?}"
        );
        client.untrack("room").await?;
    }

    Ok(())
}

/// Reads until this is so.
async fn until(presence: &mut Presence, is_so: impl Fn(&Presence) -> bool) -> Result<()> {
    let reading = async {
        while !is_so(presence) {
            presence.next().await.context("it ended")??;
        }
        anyhow::Ok(())
    };
    let result = timeout(PATIENCE, reading).await;

    result.with_context(|| format!("{} are seen", presence.members().len()))?
}

async fn next(presence: &mut Presence) -> Result<String> {
    let changes = timeout(PATIENCE, presence.next()).await?;
    let changes = changes.context("it ended")??;
    let lists = [
        ('+', changes.joined),
        ('~', changes.updated),
        ('-', changes.left),
    ];
    let told = lists.into_iter().flat_map(|(sign, members)| {
        members.into_iter().map(move |member| {
            let data = String::from_utf8_lossy(&member.data).into_owned();
            format!("{sign}{}*{} {data}", member.id, member.sessions)
        })
    });

    Ok(told.collect::<Vec<_>>().join(" "))
}

/// Whether that is the next change.
async fn shows(presence: &mut Presence, expected: &str) -> Result<bool> {
    let told = next(presence).await?;
    ensure!(told == expected, "{told}");

    Ok(true)
}

/// Each loss costs a client up to three attempts, of which it makes thirty a minute.
const PERIOD: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(90);
