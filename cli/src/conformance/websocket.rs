//! The WebSocket, where it is claimed: sections 4, 5, 7 and 8.

use anyhow::Context;

use super::{Check, Probe, Trouble};

pub(super) const CHECKS: [Check; 8] = [
    Check {
        id: "ws-protocol",
        section: "4.1",
        requirement: "the server selects downlink.v1 and never repeats the other value",
        run: |probe| Box::pin(protocol(probe)),
    },
    Check {
        id: "ws-hello-with-upgrade",
        section: "4.1",
        requirement: "frames that come with the upgrade are carried out",
        run: |probe| Box::pin(hello_with_upgrade(probe)),
    },
    Check {
        id: "ws-hello-as-message",
        section: "4.2",
        requirement: "without them the server says hello=0 and takes the first message",
        run: |probe| Box::pin(hello_as_message(probe)),
    },
    Check {
        id: "ws-beat",
        section: "8",
        requirement: "a client's beat is answered",
        run: |probe| Box::pin(beat(probe)),
    },
    Check {
        id: "ws-text-and-binary",
        section: "3",
        requirement: "text and binary messages mean the same, each may hold several frames",
        run: |probe| Box::pin(text_and_binary(probe)),
    },
    Check {
        id: "ws-replace",
        section: "5",
        requirement: "a `sub` whose number is in use replaces it",
        run: |probe| Box::pin(replace(probe)),
    },
    Check {
        id: "ws-refused-inside",
        section: "7",
        requirement: "a refusal comes as `err -`, then close code 4000",
        run: |probe| Box::pin(refused_inside(probe)),
    },
    Check {
        id: "ws-resumes-a-poll",
        section: "5",
        requirement: "a position of a poll goes on over the WebSocket",
        run: |probe| Box::pin(resumes_a_poll(probe)),
    },
];

fn claimed(probe: &Probe) -> Result<(), Trouble> {
    if probe.claims("websocket") {
        Ok(())
    } else {
        Trouble::skipped("not claimed")
    }
}

async fn protocol(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let socket = probe.upgrade(Some(&probe.hello(""))).await?;
    if socket.protocol.as_deref() != Some("downlink.v1") {
        return Trouble::failed("another subprotocol was selected");
    }

    Ok(())
}

async fn hello_with_upgrade(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let frames = format!("{}sub 1 {}\n", probe.hello(""), probe.quiet);
    let mut socket = probe.upgrade(Some(&frames)).await?;
    let hi = socket.next().await?;
    if hi.verb != "hi" || hi.field("hello") != Some("1") {
        return Trouble::failed(format!("`{}` came first", hi.verb));
    }
    socket.until("welcome").await?;
    socket.until("ok").await?;

    Ok(())
}

async fn hello_as_message(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let mut socket = probe.upgrade(None).await?;
    let hi = socket.next().await?;
    if hi.verb != "hi" || hi.field("hello") != Some("0") {
        return Trouble::failed(format!("`{}` hello={:?}", hi.verb, hi.field("hello")));
    }
    let frames = format!("{}sub 1 {}\n", probe.hello(""), probe.quiet);
    socket.send(&frames).await?;
    socket.until("welcome").await?;
    socket.until("ok").await?;

    Ok(())
}

async fn beat(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let mut socket = probe.upgrade(Some(&probe.hello(""))).await?;
    socket.until("welcome").await?;
    let before = std::time::Instant::now();
    socket.send("beat\n").await?;
    socket.until("beat").await?;
    if before.elapsed().as_millis() > 1_000 {
        return Trouble::failed(format!("it took {:?}", before.elapsed()));
    }

    Ok(())
}

async fn text_and_binary(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let mut socket = probe.upgrade(Some(&probe.hello(""))).await?;
    socket.until("welcome").await?;
    socket
        .send(&format!("sub 1 {0}-a\nsub 2 {0}-b", probe.quiet))
        .await?;
    socket
        .send_binary(&format!("sub 3 {0}-c\nsub 4 {0}-d\n", probe.quiet))
        .await?;
    let mut numbers = Vec::new();
    for _ in 0..4 {
        numbers.extend(socket.until("ok").await?.words.first().cloned());
    }
    numbers.sort();
    if numbers != ["1", "2", "3", "4"] {
        return Trouble::failed(format!("answered were {numbers:?}"));
    }

    Ok(())
}

async fn replace(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let frames = format!("{}sub 1 {}\n", probe.hello(""), probe.channel);
    let mut socket = probe.upgrade(Some(&frames)).await?;
    let at = socket.until("ok").await?;
    let at = at.field("at").context("no position")?.to_owned();
    let again = format!(
        "unsub 1\nsub 1 {0} after={at}\nsub 1 {0} after={at}\n",
        probe.channel
    );
    socket.send(&again).await?;
    for _ in 0..2 {
        let ok = socket.until("ok").await?;
        if ok.field("at") != Some(at.as_str()) {
            return Trouble::failed(format!("after {at} it stands at {:?}", ok.field("at")));
        }
    }

    Ok(())
}

async fn refused_inside(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    let mut socket = probe.upgrade(Some("hello session=x\n")).await?;
    let error = socket.until("err").await?;
    if error.words.first().is_none_or(|scope| scope != "-") {
        return Trouble::failed(format!("{:?}", error.words));
    }
    while socket.next().await.is_ok() {}
    if socket.close_code != Some(4000) {
        return Trouble::failed(format!("close code {:?}", socket.close_code));
    }

    Ok(())
}

async fn resumes_a_poll(probe: &Probe) -> Result<(), Trouble> {
    claimed(probe)?;
    probe.publish().await?;
    let poll = probe
        .once(0, &format!("sub 1 {} last=1\n", probe.channel))
        .await?;
    let Some(event) = poll.frame("e") else {
        return Trouble::skipped("no event came");
    };
    let seq = event.seq().context("an event without a number")?;
    let at = poll
        .frame("ok")
        .and_then(|ok| ok.field("at"))
        .context("no position")?;
    let frames = format!("{}sub 1 {} after={at}\n", probe.hello(""), probe.channel);
    let mut socket = probe.upgrade(Some(&frames)).await?;
    let same = socket.until("e").await?;
    if same.seq() != Some(seq) || same.data != event.data {
        return Trouble::failed(format!("after {at} came {:?}", same.seq()));
    }

    Ok(())
}
