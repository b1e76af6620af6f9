//! Tokens and credentials: `docs/protocol.md`, section 13.

use anyhow::Context;

use super::{Check, Probe, Trouble, frame::Frame};

pub(super) const CHECKS: [Check; 7] = [
    Check {
        id: "token-missing",
        section: "13",
        requirement: "who has no token is refused, and may come again with one",
        run: |probe| Box::pin(is_refused(probe, None)),
    },
    Check {
        id: "token-wrong",
        section: "13",
        requirement: "a token that was changed is refused, and not repeated",
        run: |probe| Box::pin(wrong(probe)),
    },
    Check {
        id: "token-wrong-ws",
        section: "13",
        requirement: "the same on a WebSocket, which is closed then",
        run: |probe| Box::pin(wrong_on_websocket(probe)),
    },
    Check {
        id: "token-renewed",
        section: "13",
        requirement: "a token that comes on a WebSocket is answered, and all goes on",
        run: |probe| Box::pin(renewed(probe)),
    },
    Check {
        id: "token-renewed-wrong",
        section: "13",
        requirement: "a wrong one ends the WebSocket",
        run: |probe| Box::pin(renewed_wrong(probe)),
    },
    Check {
        id: "credential-asked",
        section: "13",
        requirement: "a channel that needs a credential says so, with a challenge, alone",
        run: |probe| Box::pin(credential(probe, "")),
    },
    Check {
        id: "credential-wrong",
        section: "13",
        requirement: "a wrong credential opens nothing, and harms no other channel",
        run: |probe| Box::pin(credential(probe, " auth=wrong")),
    },
];

fn given(probe: &Probe) -> Result<&str, Trouble> {
    match &probe.token {
        Some(token) => Ok(token),
        None => Trouble::skipped("no --token"),
    }
}

/// The token with one character changed, not the last one: of that some bits may not count.
fn changed(token: &str) -> String {
    let at = token.chars().count().saturating_sub(5);

    token
        .chars()
        .enumerate()
        .map(|(index, character)| match (index == at, character) {
            (true, 'A') => 'B',
            (true, _) => 'A',
            (false, _) => character,
        })
        .collect()
}

fn asks_for_another(frame: &Frame) -> bool {
    frame.is("err", "-")
        && frame
            .words
            .get(1)
            .is_some_and(|code| code == "unauthorized")
        && frame.field("retry") == Some("token")
}

async fn is_refused(probe: &Probe, token: Option<&str>) -> Result<(), Trouble> {
    given(probe)?;
    let hello = probe.hello_with(token, &probe.session(), " mode=once");
    let answer = probe
        .post(format!("{hello}sub 1 {}\n", probe.quiet))
        .await?;
    let error = answer.frame("err").with_context(|| answer.verbs())?;
    if !asks_for_another(error) || answer.frame("hi").is_none() {
        return Trouble::failed(format!("{:?} {}", error.words, answer.verbs()));
    }
    if answer.frame("welcome").is_some() || answer.frame("ok").is_some() {
        return Trouble::failed(answer.verbs());
    }
    let is_repeated = token.is_some_and(|token| {
        let mut texts = answer.frames.iter().map(|(_, frame)| format!("{frame:?}"));
        texts.any(|text| text.contains(token))
    });
    if is_repeated {
        return Trouble::failed("the token stands in the answer");
    }

    Ok(())
}

async fn wrong(probe: &Probe) -> Result<(), Trouble> {
    is_refused(probe, Some(&changed(given(probe)?))).await
}

fn on_websocket(probe: &Probe) -> Result<&str, Trouble> {
    if !probe.claims("websocket") {
        return Trouble::skipped("no WebSocket is claimed");
    }

    given(probe)
}

async fn wrong_on_websocket(probe: &Probe) -> Result<(), Trouble> {
    let token = changed(on_websocket(probe)?);
    let hello = probe.hello_with(Some(&token), &probe.session(), "");
    let mut socket = probe.upgrade(Some(&hello)).await?;
    let error = socket.until("err").await?;
    if !asks_for_another(&error) {
        return Trouble::failed(format!("{:?}", error.words));
    }
    while socket.next().await.is_ok() {}
    if socket.close_code.is_none() {
        return Trouble::failed("it stays open");
    }

    Ok(())
}

async fn renewed(probe: &Probe) -> Result<(), Trouble> {
    let token = on_websocket(probe)?;
    let mut socket = probe.upgrade(Some(&probe.hello(""))).await?;
    socket.until("welcome").await?;
    socket.send(&format!("token {token}\n")).await?;
    let answer = socket.until("token").await?;
    if answer
        .field("ttl")
        .is_some_and(|ttl| ttl.parse::<u64>().is_err())
    {
        return Trouble::failed("its ttl is no number");
    }
    socket.send(&format!("sub 1 {}\n", probe.quiet)).await?;
    socket.until("ok").await?;

    Ok(())
}

async fn renewed_wrong(probe: &Probe) -> Result<(), Trouble> {
    let token = changed(on_websocket(probe)?);
    let mut socket = probe.upgrade(Some(&probe.hello(""))).await?;
    socket.until("welcome").await?;
    socket.send(&format!("token {token}\n")).await?;
    let error = socket.until("err").await?;
    if !asks_for_another(&error) {
        return Trouble::failed(format!("{:?}", error.words));
    }

    Ok(())
}

async fn credential(probe: &Probe, auth: &str) -> Result<(), Trouble> {
    let Some(channel) = &probe.credential_channel else {
        return Trouble::skipped("no --credential-channel");
    };
    let answer = probe
        .once(
            0,
            &format!("sub 1 {channel}{auth}\nsub 2 {}\n", probe.quiet),
        )
        .await?;
    let error = answer.about("1");
    let error = error
        .first()
        .filter(|frame| frame.verb == "err")
        .with_context(|| answer.verbs())?;
    let is_asked = error.words.get(1).is_some_and(|code| code == "credential")
        && error.field("retry") == Some("token")
        && error
            .field("challenge")
            .is_some_and(|text| !text.is_empty());
    let is_refused = error.words.get(1).is_some_and(|code| code == "forbidden")
        && error.field("retry") == Some("never");
    if !is_asked && (auth.is_empty() || !is_refused) {
        return Trouble::failed(format!("{:?}", error.words));
    }
    if !answer.about("2").iter().any(|frame| frame.verb == "ok") {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}
