//! Each fault of the hop on each transport, wherever it strikes: the client finds it out, names it, and once the hop
//! lets it through goes on without a loss.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use downlink::{IoError, Reason, Start, TransportKind};
use downlink_hop::{Fault, Plan, Strike};
use downlink_testing::{TestServer, hop_before};
use downlink_tests::received::{PATIENCE, Received, first_failure};
use futures_util::{StreamExt, future::join_all};
use tokio::time::{Instant, timeout};

/// What the client has to make of a fault.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// It fails for one of these reasons, and goes on when it can.
    Fails(fn(&Reason) -> bool),
    /// It ends, for this reason.
    Ends(fn(&Reason) -> bool),
    /// It may fail so, or be lucky.
    Tolerates(fn(&Reason) -> bool),
    /// It does not notice.
    Works,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_transport_is_named_and_survived() -> Result<()> {
    let server = TestServer::start().await?;
    let ticker = server.tick(
        "news",
        Duration::from_millis(25),
        "{\"ä\":\"€ 😀 ü\",\"n\":#}",
    );
    let cases = TransportKind::ALL
        .into_iter()
        .flat_map(|transport| faults().into_iter().map(move |fault| (transport, fault)));

    let runs = cases.map(|(transport, (name, fault))| {
        let server = &server;
        async move {
            let started = Instant::now();
            let result = run(server, transport, fault).await;
            (transport, name, started.elapsed(), result)
        }
    });
    let results = join_all(runs).await;
    drop(ticker);

    let mut failures = 0;
    for (transport, name, took, result) in results {
        match result {
            Ok(reason) => println!(
                "{transport:10} {name:28} {:5.1} s  {reason}",
                took.as_secs_f64()
            ),
            Err(error) => {
                failures += 1;
                println!("{transport:10} {name:28} FAILED: {error:#}");
            }
        }
    }
    ensure!(failures == 0, "{failures} cases failed");

    Ok(())
}

fn faults() -> Vec<(&'static str, Fault)> {
    let ms = Duration::from_millis;

    vec![
        ("refused with 401", Fault::Refuse(401)),
        ("refused with 403", Fault::Refuse(403)),
        ("refused with 404", Fault::Refuse(404)),
        ("refused with 426", Fault::Refuse(426)),
        ("refused with 502", Fault::Refuse(502)),
        ("connection refused", Fault::RefuseConnection),
        ("blackhole", Fault::Blackhole),
        ("mute after the head", Fault::MuteAfterHead),
        ("mute after hi", Fault::MuteAfterFrame),
        (
            "flapping",
            Fault::Flap {
                min: ms(50),
                max: ms(500),
            },
        ),
        ("streams buffered", Fault::Buffer),
        ("cut every 700 ms", Fault::CutEvery(ms(700))),
        ("half open", Fault::HalfOpen { after: ms(400) }),
        ("cut before the head", Fault::Truncate(Strike::BeforeHead)),
        ("cut in the head", Fault::Truncate(Strike::InHead)),
        ("cut in a frame", Fault::Truncate(Strike::InFrame)),
        ("cut in a character", Fault::Truncate(Strike::InCharacter)),
        ("garbage", Fault::Garbage),
    ]
}

fn verdict(transport: TransportKind, fault: Fault) -> Verdict {
    match fault {
        Fault::Pass => Verdict::Works,
        Fault::Refuse(502) => Verdict::Fails(|reason| *reason == Reason::Status(502)),
        Fault::Refuse(_) => Verdict::Ends(|reason| matches!(reason, Reason::Status(401..=426))),
        Fault::Blackhole | Fault::MuteAfterHead => Verdict::Fails(|reason| *reason == Reason::Late),
        Fault::MuteAfterFrame | Fault::HalfOpen { .. } => {
            Verdict::Fails(|reason| *reason == Reason::Silent)
        }
        Fault::Buffer => match transport {
            TransportKind::LongPoll | TransportKind::Poll => Verdict::Works,
            TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket => {
                Verdict::Fails(|reason| *reason == Reason::Late)
            }
        },
        Fault::RefuseConnection => {
            Verdict::Fails(|reason| matches!(reason, Reason::Io(IoError::Connect | IoError::Cut)))
        }
        Fault::Truncate(Strike::InHead) => {
            Verdict::Fails(|reason| matches!(reason, Reason::Io(IoError::Cut | IoError::Malformed)))
        }
        Fault::Truncate(Strike::BeforeHead | Strike::InCharacter | Strike::InFrame)
        | Fault::CutEvery(_)
        | Fault::Flap { .. } => match (transport, fault) {
            // Between two polls there is nothing to cut.
            (TransportKind::Poll, Fault::CutEvery(_) | Fault::Flap { .. }) => {
                Verdict::Tolerates(is_cut)
            }
            _ => Verdict::Fails(is_cut),
        },
        Fault::Garbage => Verdict::Ends(|reason| *reason == Reason::Foreign),
    }
}

fn is_cut(reason: &Reason) -> bool {
    matches!(reason, Reason::Io(IoError::Cut) | Reason::Ended(_))
}

async fn run(server: &TestServer, transport: TransportKind, fault: Fault) -> Result<String> {
    let hop = hop_before(server.address(), None).await?;
    let broken = match transport {
        TransportKind::WebSocket => Plan {
            websocket: fault,
            ..Plan::default()
        },
        TransportKind::LongPoll
        | TransportKind::Poll
        | TransportKind::Sse
        | TransportKind::Stream => Plan {
            http: fault,
            ..Plan::default()
        },
    };
    hop.set(broken);
    let client = downlink::Client::builder(format!("http://{}/downlink", hop.address()))
        .transports([transport])
        .backoff(Duration::from_millis(50), Duration::from_millis(400))
        .connect()?;
    let mut trials = client.trials();
    let mut events = client.subscribe("news", Start::Earliest);
    let mut received = Received::default();

    let reason = match verdict(transport, fault) {
        Verdict::Ends(is_expected) => {
            let end = timeout(PATIENCE, async {
                while let Some(item) = events.next().await {
                    if let Err(reason) = item {
                        return Some(reason);
                    }
                }
                None
            });
            let reason = end.await?.context("it ended without a reason")?;
            ensure!(is_expected(&reason), "ended by {reason:?}");
            return Ok(format!("ends: {reason}"));
        }
        Verdict::Fails(is_expected) => {
            let reason = first_failure(&mut trials).await?;
            ensure!(is_expected(&reason), "failed by {reason:?}");
            format!("{reason}")
        }
        Verdict::Tolerates(is_expected) => {
            let failure = first_failure(&mut trials);
            match timeout(Duration::from_secs(3), failure).await {
                Err(_) => "not noticed".into(),
                Ok(reason) => {
                    let reason = reason?;
                    ensure!(is_expected(&reason), "failed by {reason:?}");
                    format!("{reason}")
                }
            }
        }
        Verdict::Works => "not noticed".into(),
    };
    hop.set(Plan::default());
    let last = server.last_id("news").context("nothing was published")?;
    received.until(&mut events, &last).await?;
    received.check(&server.log("news"))?;
    if let Verdict::Works = verdict(transport, fault) {
        let failed = timeout(Duration::from_millis(1), first_failure(&mut trials)).await;
        if let Ok(Ok(reason)) = failed {
            bail!("failed by {reason:?} although it should work");
        }
    }
    client.close().await;

    Ok(reason)
}
