//! Publishing: section 11.

use anyhow::Context;

use super::{Check, Probe, Trouble, frame::Frame, probe::Answer};

pub(super) const CHECKS: [Check; 8] = [
    Check {
        id: "publish-is-answered",
        section: "11",
        requirement: "a `pub` is answered by one `ack`, and is an event at its position",
        run: |probe| Box::pin(is_answered(probe)),
    },
    Check {
        id: "publish-ends-the-answer",
        section: "11",
        requirement: "an answer without a `sub` ends when all is answered",
        run: |probe| Box::pin(ends_the_answer(probe)),
    },
    Check {
        id: "publish-once",
        section: "11",
        requirement: "a number said again is answered as before, without effect",
        run: |probe| Box::pin(once(probe)),
    },
    Check {
        id: "publish-again-unknown",
        section: "11",
        requirement: "`again` of a session that is not remembered is `nak … unknown`, without effect",
        run: |probe| Box::pin(again_unknown(probe)),
    },
    Check {
        id: "publish-lower-number",
        section: "11",
        requirement: "a number below the highest that has no answer is `nak … unknown`",
        run: |probe| Box::pin(lower_number(probe)),
    },
    Check {
        id: "publish-in-order",
        section: "11",
        requirement: "the publishes of a request take effect in their order",
        run: |probe| Box::pin(in_order(probe)),
    },
    Check {
        id: "publish-own",
        section: "11",
        requirement: "an event is marked `own` for the session that published it, and for no other",
        run: |probe| Box::pin(own(probe)),
    },
    Check {
        id: "publish-on-websocket",
        section: "11",
        requirement: "a WebSocket takes publishes, and a POST knows their numbers",
        run: |probe| Box::pin(on_websocket(probe)),
    },
];

fn claimed(probe: &Probe) -> Result<(), Trouble> {
    if probe.claims("publish") {
        Ok(())
    } else {
        Trouble::skipped("the server does not claim publish")
    }
}

/// A channel for this check alone.
fn channel(probe: &Probe, name: &str) -> String {
    format!("{}-{name}-{}", probe.quiet, probe.session())
}

/// The position that an `ack` names; skips where the server lets nobody publish.
fn acked<'a>(answer: &'a Answer, number: &str) -> Result<&'a str, Trouble> {
    let frames = answer.about(number);
    let answers: Vec<&Frame> = frames
        .into_iter()
        .filter(|frame| matches!(frame.verb.as_str(), "ack" | "nak"))
        .collect();
    let [frame] = answers[..] else {
        return Trouble::failed(format!(
            "{} answers to {number}; {}",
            answers.len(),
            answer.verbs()
        ));
    };
    match (frame.verb.as_str(), frame.words.get(1)) {
        ("ack", _) => Ok(frame.field("at").context("an ack without `at`")?),
        (_, Some(code)) if code == "forbidden" => {
            Trouble::skipped("this client may not publish: give a --token")
        }
        (_, code) => Trouble::failed(format!("nak {number} {code:?}")),
    }
}

fn is_unknown(answer: &Answer, number: &str) -> bool {
    let frames = answer.about(number);
    let nak = frames.iter().find(|frame| frame.verb == "nak");

    nak.is_some_and(|nak| nak.words.get(1).is_some_and(|code| code == "unknown"))
}

/// What a channel has, as another session sees it.
async fn log(probe: &Probe, channel: &str) -> Result<Vec<String>, Trouble> {
    let answer = probe
        .once(0, &format!("sub 1 {channel} earliest\n"))
        .await?;
    let events = answer
        .about("1")
        .into_iter()
        .filter(|frame| frame.verb == "e");

    Ok(events
        .map(|frame| String::from_utf8_lossy(&frame.data).into_owned())
        .collect())
}

async fn is_answered(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "answered"));
    let answer = probe
        .say(&session, &format!("pub 1 {channel} msg :hello\n"))
        .await?;
    let at = acked(&answer, "1")?;
    let (epoch, seq) = at.rsplit_once(':').context("`at` is no position")?;
    let seq: u64 = seq.parse().context("`at` has no number")?;
    let before = seq.saturating_sub(1);
    let answer = probe
        .once(0, &format!("sub 1 {channel} after={epoch}:{before}\n"))
        .await?;
    let event = answer.frame("e").with_context(|| answer.verbs())?;
    if event.seq() != Some(seq) || event.data != b"hello" {
        return Trouble::failed(format!("at {at} stands {:?}", event.seq()));
    }

    Ok(())
}

async fn ends_the_answer(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "ends"));
    let body = probe.hello_as(&session, " mode=once patience=20000");
    let answer = probe
        .post(format!("{body}pub 1 {channel} msg :x\n"))
        .await?;
    acked(&answer, "1")?;
    if answer.took.as_millis() > 2_000 {
        return Trouble::failed(format!("it took {:?}", answer.took));
    }

    Ok(())
}

async fn once(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "once"));
    let first = probe
        .say(&session, &format!("pub 7 {channel} msg :x\n"))
        .await?;
    let first = acked(&first, "7")?.to_owned();
    for again in ["", " again"] {
        let frames = format!("pub 7 {channel} msg{again} :x\n");
        let answer = probe.say(&session, &frames).await?;
        if acked(&answer, "7")? != first {
            return Trouble::failed("it has another position");
        }
    }
    let log = log(probe, &channel).await?;
    if log != ["x"] {
        return Trouble::failed(format!("{} events", log.len()));
    }

    Ok(())
}

async fn again_unknown(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "unknown"));
    let answer = probe
        .say(&session, &format!("pub 7 {channel} msg again :x\n"))
        .await?;
    if !is_unknown(&answer, "7") || !log(probe, &channel).await?.is_empty() {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn lower_number(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "lower"));
    let frames = format!("pub 5 {channel} msg :five\npub 4 {channel} msg :four\n");
    let answer = probe.say(&session, &frames).await?;
    acked(&answer, "5")?;
    let log = log(probe, &channel).await?;
    if !is_unknown(&answer, "4") || log != ["five"] {
        return Trouble::failed(format!("{}, {log:?}", answer.verbs()));
    }

    Ok(())
}

async fn in_order(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "order"));
    let frames: String = (1..=50)
        .map(|n| format!("pub {n} {channel} msg :{n}\n"))
        .collect();
    let answer = probe.say(&session, &frames).await?;
    acked(&answer, "50")?;
    let expected: Vec<_> = (1..=50).map(|n| n.to_string()).collect();
    let log = log(probe, &channel).await?;
    if log != expected {
        return Trouble::failed(format!("{log:?}"));
    }

    Ok(())
}

async fn own(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let (session, channel) = (probe.session(), channel(probe, "own"));
    let answer = probe
        .say(&session, &format!("pub 1 {channel} msg :x\n"))
        .await?;
    acked(&answer, "1")?;
    for (reader, is_own) in [(session, true), (probe.session(), false)] {
        let answer = probe
            .say(&reader, &format!("sub 1 {channel} earliest\n"))
            .await?;
        let event = answer.frame("e").with_context(|| answer.verbs())?;
        if event.words.iter().skip(3).any(|word| word == "own") != is_own {
            return Trouble::failed(format!("own is {}", !is_own));
        }
    }

    Ok(())
}

async fn on_websocket(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    if !probe.claims("websocket") {
        return Trouble::skipped("the server does not claim websocket");
    }
    let (session, channel) = (probe.session(), channel(probe, "socket"));
    let mut socket = probe.upgrade(Some(&probe.hello_as(&session, ""))).await?;
    socket.until("welcome").await?;
    socket.send(&format!("pub 1 {channel} msg :x\n")).await?;
    let ack = socket.next().await?;
    if ack.verb == "nak" && ack.words.get(1).is_some_and(|code| code == "forbidden") {
        return Trouble::skipped("this client may not publish: give a --token");
    }
    let at = ack.field("at").context("no ack with `at`")?;
    let answer = probe
        .say(&session, &format!("pub 1 {channel} msg again :x\n"))
        .await?;
    if acked(&answer, "1")? != at {
        return Trouble::failed("the POST has another position");
    }

    Ok(())
}
