//! Presence: section 12.

use anyhow::Context;

use super::{
    Check, Probe, Trouble,
    probe::{Answer, Reading},
};

pub(super) const CHECKS: [Check; 6] = [
    Check {
        id: "members-list",
        section: "12.2",
        requirement: "`members` is answered by a revision, a count, and so many `member` frames",
        run: |probe| Box::pin(list(probe)),
    },
    Check {
        id: "members-changes",
        section: "12.2",
        requirement: "each change raises the revision by one: a member comes, changes and goes",
        run: |probe| Box::pin(changes(probe)),
    },
    Check {
        id: "members-after",
        section: "12.2",
        requirement: "`after` the latest revision brings no list, `after` another epoch does",
        run: |probe| Box::pin(after(probe)),
    },
    Check {
        id: "track-late",
        section: "12.1",
        requirement: "a `track` below the last number does not bring back who left",
        run: |probe| Box::pin(late(probe)),
    },
    Check {
        id: "bye-leaves",
        section: "12",
        requirement: "`bye` ends the presence of its session",
        run: |probe| Box::pin(bye(probe)),
    },
    Check {
        id: "disconnect-is-no-leave",
        section: "12.1",
        requirement: "the end of a WebSocket changes nothing",
        run: |probe| Box::pin(disconnect(probe)),
    },
];

fn claimed(probe: &Probe) -> Result<(), Trouble> {
    if probe.claims("presence") {
        Ok(())
    } else {
        Trouble::skipped("the server does not claim presence")
    }
}

fn channel(probe: &Probe, name: &str) -> String {
    format!("{}-{name}-{}", probe.quiet, probe.session())
}

async fn track(probe: &Probe, session: &str, n: u64, channel: &str) -> Result<(), Trouble> {
    let frames = format!("track {n} {channel} id=conformance-{session} :{n}\n");

    answered(&probe.say(session, &frames).await?)
}

async fn untrack(probe: &Probe, session: &str, n: u64, channel: &str) -> Result<(), Trouble> {
    answered(
        &probe
            .say(session, &format!("untrack {n} {channel}\n"))
            .await?,
    )
}

fn answered(answer: &Answer) -> Result<(), Trouble> {
    if answer.frame("ack").is_some() {
        return Ok(());
    }
    let nak = answer.frame("nak").with_context(|| answer.verbs())?;
    if nak.words.get(1).is_some_and(|code| code == "forbidden") {
        return Trouble::skipped("this client may not be seen: give a --token");
    }

    Trouble::failed(format!("nak {:?}", nak.words))
}

/// The revision of a list, and how many it has.
async fn members(probe: &Probe, channel: &str) -> Result<(String, usize), Trouble> {
    let answer = probe.once(0, &format!("members 1 {channel}\n")).await?;
    let head = answer.frame("members").with_context(|| answer.verbs())?;
    let revision = head.field("rev").context("no `rev`")?.to_owned();
    let count: usize = head
        .field("count")
        .context("no `count`")?
        .parse()
        .context("the count is no number")?;
    let frames = answer.about("1");
    let told = frames.iter().filter(|frame| frame.verb == "member").count();
    if told != count {
        return Trouble::failed(format!("count={count}, and {told} members"));
    }

    Ok((revision, count))
}

async fn list(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let channel = channel(probe, "list");
    if members(probe, &channel).await?.1 != 0 {
        return Trouble::failed("somebody is in a new channel");
    }
    let session = probe.session();
    track(probe, &session, 1, &channel).await?;
    if members(probe, &channel).await?.1 != 1 {
        return Trouble::failed("who is there is not in the list");
    }

    Ok(())
}

async fn changes(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let channel = channel(probe, "changes");
    let frames = format!("members 1 {channel}\n");
    let mut reading = probe.open(" mode=stream", &frames, "*/*").await?;
    let head = reading.until("members").await?;
    let revision = head.field("rev").context("no `rev`")?;
    let (_, seq) = revision.rsplit_once(':').context("no revision")?;
    let seq: u64 = seq.parse().context("no revision")?;
    let session = probe.session();
    track(probe, &session, 1, &channel).await?;
    expect(&mut reading, "member", seq + 1).await?;
    track(probe, &session, 2, &channel).await?;
    expect(&mut reading, "member", seq + 2).await?;
    // Nothing changes by this.
    track(probe, &session, 2, &channel).await?;
    untrack(probe, &session, 3, &channel).await?;
    expect(&mut reading, "part", seq + 3).await
}

async fn expect(reading: &mut Reading, verb: &str, seq: u64) -> Result<(), Trouble> {
    let frame = reading.until(verb).await?;
    if frame.seq() != Some(seq) {
        return Trouble::failed(format!("{verb} {:?} instead of {seq}", frame.words));
    }

    Ok(())
}

async fn after(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let channel = channel(probe, "after");
    let session = probe.session();
    track(probe, &session, 1, &channel).await?;
    let (revision, _) = members(probe, &channel).await?;
    for (after, has_list) in [(revision.as_str(), false), ("no-such-epoch:1", true)] {
        let answer = probe
            .once(0, &format!("members 1 {channel} after={after}\n"))
            .await?;
        let head = answer.frame("members").with_context(|| answer.verbs())?;
        if head.field("count").is_some() != has_list || head.field("rev") != Some(&revision) {
            return Trouble::failed(format!("after {after}: {}", answer.verbs()));
        }
    }

    Ok(())
}

async fn late(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let channel = channel(probe, "late");
    let session = probe.session();
    track(probe, &session, 1, &channel).await?;
    untrack(probe, &session, 2, &channel).await?;
    track(probe, &session, 1, &channel).await?;
    if members(probe, &channel).await?.1 != 0 {
        return Trouble::failed("it is there again");
    }

    Ok(())
}

async fn bye(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let channel = channel(probe, "bye");
    let session = probe.session();
    track(probe, &session, 1, &channel).await?;
    probe.say(&session, "bye\n").await?;
    if members(probe, &channel).await?.1 != 0 {
        return Trouble::failed("it is still there");
    }

    Ok(())
}

async fn disconnect(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    if !probe.claims("websocket") {
        return Trouble::skipped("the server does not claim websocket");
    }
    let channel = channel(probe, "disconnect");
    let session = probe.session();
    let mut socket = probe.upgrade(Some(&probe.hello_as(&session, ""))).await?;
    socket.until("welcome").await?;
    socket
        .send(&format!("track 1 {channel} id=conformance-{session}\n"))
        .await?;
    let answer = socket.next().await?;
    if answer.verb == "nak" {
        return Trouble::skipped("this client may not be seen: give a --token");
    }
    drop(socket);
    let (revision, count) = members(probe, &channel).await?;
    // A server that takes the end of a connection for the end of presence has had its time by then.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    if (revision, 1) != members(probe, &channel).await? || count != 1 {
        return Trouble::failed("it left");
    }

    Ok(())
}
