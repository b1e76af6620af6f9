//! Subscribing, positions and events: sections 5 and 6.

use anyhow::Context;

use super::{Check, Probe, Trouble, probe::Answer};

pub(super) const CHECKS: [Check; 13] = [
    Check {
        id: "long-poll-is-released",
        section: "6",
        requirement: "a held answer ends with the first events",
        run: |probe| Box::pin(long_poll_is_released(probe)),
    },
    Check {
        id: "dense",
        section: "5",
        requirement: "the first event is the one behind `at`, and numbers rise by one",
        run: |probe| Box::pin(dense(probe)),
    },
    Check {
        id: "after-resumes",
        section: "5",
        requirement: "`after` a position goes on behind it, each time alike",
        run: |probe| Box::pin(after_resumes(probe)),
    },
    Check {
        id: "last",
        section: "5",
        requirement: "`last=1` begins with the youngest event",
        run: |probe| Box::pin(last(probe)),
    },
    Check {
        id: "earliest",
        section: "5",
        requirement: "`earliest` begins with the oldest event kept, and is no gap",
        run: |probe| Box::pin(earliest(probe)),
    },
    Check {
        id: "since",
        section: "5",
        requirement: "`since` is answered with `ok`, and brings nothing older than it says",
        run: |probe| Box::pin(since(probe)),
    },
    Check {
        id: "now",
        section: "5",
        requirement: "without a start, and with `now`, nothing old comes",
        run: |probe| Box::pin(now(probe)),
    },
    Check {
        id: "another-epoch",
        section: "5",
        requirement: "a position of another epoch is a `gap why=epoch` whose `to` can be used",
        run: |probe| Box::pin(another_epoch(probe)),
    },
    Check {
        id: "ahead-of-the-log",
        section: "5",
        requirement: "a position ahead of the log is `ok` at that position",
        run: |probe| Box::pin(ahead_of_the_log(probe)),
    },
    Check {
        id: "each-sub-is-answered-once",
        section: "5",
        requirement: "each `sub` of a request has exactly one answer",
        run: |probe| Box::pin(each_sub_is_answered_once(probe)),
    },
    Check {
        id: "one-channel-twice",
        section: "5",
        requirement: "a channel can be subscribed under several numbers",
        run: |probe| Box::pin(one_channel_twice(probe)),
    },
    Check {
        id: "encoded-channel",
        section: "3",
        requirement: "a percent-encoded name is the same channel",
        run: |probe| Box::pin(encoded_channel(probe)),
    },
    Check {
        id: "gap-ends-a-once",
        section: "6",
        requirement: "an answer that holds a `gap` does not wait",
        run: |probe| Box::pin(gap_ends_a_once(probe)),
    },
];

/// An answer that holds at least one event, and the position before it.
async fn with_event(probe: &Probe, start: &str) -> Result<(Answer, String, u64), Trouble> {
    for _ in 0..3 {
        probe.publish().await?;
        let patience = u64::try_from(probe.patience.as_millis()).unwrap_or(5_000);
        let answer = probe
            .once(patience, &format!("sub 1 {} {start}\n", probe.channel))
            .await?;
        if answer.frame("e").is_some() {
            let (epoch, seq) = position(&answer, "1")?;
            return Ok((answer, epoch, seq));
        }
    }

    Trouble::skipped("no event came: name a live --channel, or give a --publish-command")
}

fn position(answer: &Answer, number: &str) -> Result<(String, u64), Trouble> {
    let frames = answer.about(number);
    let confirmed = frames.iter().find_map(|frame| match frame.verb.as_str() {
        "ok" => frame.field("at"),
        "gap" => frame.field("to"),
        _ => None,
    });
    let (epoch, seq) = confirmed
        .and_then(|at| at.rsplit_once(':'))
        .with_context(|| format!("no position for {number}; {}", answer.verbs()))?;
    let seq = seq.parse().context("the position has no number")?;

    Ok((epoch.into(), seq))
}

fn seqs(answer: &Answer, number: &str) -> Vec<u64> {
    answer
        .about(number)
        .into_iter()
        .filter(|frame| frame.verb == "e")
        .filter_map(|frame| frame.seq())
        .collect()
}

async fn long_poll_is_released(probe: &Probe) -> Result<(), Trouble> {
    let (answer, _, _) = with_event(probe, "now").await?;
    if answer.took >= probe.patience {
        return Trouble::failed("it waited for the end of its patience although an event came");
    }

    Ok(())
}

async fn dense(probe: &Probe) -> Result<(), Trouble> {
    let (answer, _, at) = with_event(probe, "earliest").await?;
    let seqs = seqs(&answer, "1");
    let expected: Vec<_> = (at + 1..).take(seqs.len()).collect();
    if seqs != expected {
        return Trouble::failed(format!("at={at}, then {:?}", &seqs[..seqs.len().min(10)]));
    }

    Ok(())
}

async fn after_resumes(probe: &Probe) -> Result<(), Trouble> {
    let (first, epoch, at) = with_event(probe, "last=1").await?;
    let expected = first
        .about("1")
        .into_iter()
        .find(|frame| frame.verb == "e")
        .cloned();
    let expected = expected.context("no event")?;
    for _ in 0..2 {
        let sub = format!("sub 7 {} after={epoch}:{at}\n", probe.channel);
        let again = probe.once(0, &sub).await?;
        let (same_epoch, same_at) = position(&again, "7")?;
        let event = again
            .about("7")
            .into_iter()
            .find(|frame| frame.verb == "e")
            .cloned();
        let event = event.with_context(|| again.verbs())?;
        let is_same = (same_epoch, same_at) == (epoch.clone(), at)
            && event.seq() == Some(at + 1)
            && event.data == expected.data;
        if !is_same {
            return Trouble::failed(format!("after {epoch}:{at} came {:?}", event.seq()));
        }
    }

    Ok(())
}

async fn last(probe: &Probe) -> Result<(), Trouble> {
    let (_, epoch, _) = with_event(probe, "now").await?;
    let answer = probe
        .once(0, &format!("sub 1 {} last=1\n", probe.channel))
        .await?;
    let (same, at) = position(&answer, "1")?;
    if same != epoch || seqs(&answer, "1").first() != Some(&(at + 1)) {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn earliest(probe: &Probe) -> Result<(), Trouble> {
    let (answer, _, at) = with_event(probe, "earliest").await?;
    if answer.frame("ok").is_none() || seqs(&answer, "1").first() != Some(&(at + 1)) {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn since(probe: &Probe) -> Result<(), Trouble> {
    let (_, _, newest) = with_event(probe, "now").await?;
    let answer = probe
        .once(0, &format!("sub 1 {} since=1\n", probe.channel))
        .await?;
    let (_, at) = position(&answer, "1")?;
    if answer.frame("ok").is_none() || at < newest {
        return Trouble::failed(format!(
            "at={at}, although {newest} was older; {}",
            answer.verbs()
        ));
    }

    Ok(())
}

async fn now(probe: &Probe) -> Result<(), Trouble> {
    let (_, _, newest) = with_event(probe, "now").await?;
    for start in ["", " now"] {
        let answer = probe
            .once(0, &format!("sub 1 {}{start}\n", probe.channel))
            .await?;
        let (_, at) = position(&answer, "1")?;
        if at <= newest && seqs(&answer, "1").len() > 1 {
            return Trouble::failed("old events came");
        }
    }

    Ok(())
}

async fn another_epoch(probe: &Probe) -> Result<(), Trouble> {
    let sub = format!("sub 1 {} after=no-such-epoch:5\n", probe.channel);
    let answer = probe.once(0, &sub).await?;
    let gap = answer.frame("gap").with_context(|| answer.verbs())?;
    if gap.field("why") != Some("epoch") {
        return Trouble::failed(format!("why={:?}", gap.field("why")));
    }
    let (epoch, seq) = position(&answer, "1")?;
    let sub = format!("sub 1 {} after={epoch}:{seq}\n", probe.channel);
    let again = probe.once(0, &sub).await?;
    if again.frame("ok").is_none() {
        return Trouble::failed(format!("`to` cannot be used: {}", again.verbs()));
    }

    Ok(())
}

async fn ahead_of_the_log(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(0, &format!("sub 1 {}\n", probe.channel)).await?;
    let (epoch, _) = position(&answer, "1")?;
    let ahead = format!("{epoch}:4000000000");
    let sub = format!("sub 1 {} after={ahead}\n", probe.channel);
    let answer = probe.once(0, &sub).await?;
    let at = answer.frame("ok").and_then(|ok| ok.field("at"));
    if at != Some(&ahead) || answer.frame("e").is_some() {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn each_sub_is_answered_once(probe: &Probe) -> Result<(), Trouble> {
    let subs: String = (1..=20)
        .map(|number| format!("sub {number} {}-{number}\n", probe.quiet))
        .collect();
    let answer = probe.once(0, &subs).await?;
    for number in 1..=20 {
        let count = answer
            .about(&number.to_string())
            .into_iter()
            .filter(|frame| matches!(frame.verb.as_str(), "ok" | "gap" | "err"))
            .count();
        if count != 1 {
            return Trouble::failed(format!("number {number} has {count} answers"));
        }
    }

    Ok(())
}

async fn one_channel_twice(probe: &Probe) -> Result<(), Trouble> {
    with_event(probe, "last=1").await?;
    let subs = format!("sub 1 {0} last=1\nsub 2 {0} last=1\n", probe.channel);
    let answer = probe.once(0, &subs).await?;
    if seqs(&answer, "1").is_empty() || seqs(&answer, "2").is_empty() {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn encoded_channel(probe: &Probe) -> Result<(), Trouble> {
    let plain = probe.once(0, &format!("sub 1 {}\n", probe.channel)).await?;
    let encoded: String = probe
        .channel
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let answer = probe.once(0, &format!("sub 1 {encoded}\n")).await?;
    let (epoch, _) = position(&plain, "1")?;
    let (same, _) = position(&answer, "1")?;
    if epoch != same {
        return Trouble::failed(format!("epochs {epoch} and {same}"));
    }

    Ok(())
}

async fn gap_ends_a_once(probe: &Probe) -> Result<(), Trouble> {
    let sub = format!("sub 1 {} after=no-such-epoch:5\n", probe.quiet);
    let answer = probe.once(3_000, &sub).await?;
    answer.frame("gap").with_context(|| answer.verbs())?;
    if answer.took.as_millis() > 2_000 {
        return Trouble::failed(format!("it took {:?}", answer.took));
    }

    Ok(())
}
