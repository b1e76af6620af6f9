//! What becomes of a client's `track` and `untrack`: `docs/protocol.md`, section 12.1.

use std::sync::Arc;

use crate::{
    Action, Server,
    consent::Consent,
    dialogue::{Client, Refusal},
    frame::{Frame, number},
    presence::TrackError,
    publishing::nak,
    server::check_name,
};

/// Carries it out; returns the answer.
///
/// # Errors
/// The frame breaks the grammar.
pub(crate) fn carry_out(
    server: &Server,
    client: &Client,
    frame: &Frame,
    consent: &Consent,
) -> Result<String, Refusal> {
    let Client { session, grant, .. } = client;
    let id = *session;
    let n = frame.words.first().and_then(|word| number(word));
    let (Some(n), Some(channel)) = (n, frame.words.get(1)) else {
        return Err(Refusal::MALFORMED);
    };
    let presence = server.presence();
    if frame.verb == "untrack" {
        presence.untrack(id, n, channel);
        return Ok(format!("ack {n}\n"));
    }
    if !server.config().presence {
        return Ok(nak(n, "forbidden", b"this server knows of no presence"));
    }
    if check_name(channel).is_err() {
        return Ok(nak(n, "bad-channel", b"a name has 1 to 255 bytes"));
    }
    if !server.may(grant, channel, |grant| &grant.rights.presence)
        || consent.is_denied(Action::Presence, channel)
    {
        return Ok(nak(n, "forbidden", b"no right to be seen here"));
    }
    if frame.data.len() > MOST_DATA {
        return Ok(nak(n, "too-large", b"a member says at most 4096 bytes"));
    }
    let member = match (&grant.subject, frame.field("id")) {
        (Some(subject), _) => subject.clone(),
        (None, Some(id)) if check_name(id).is_ok() => Arc::from(id),
        (None, Some(_)) => return Ok(nak(n, "bad-name", b"a member has 1 to 255 bytes")),
        (None, None) => presence.public_name(id),
    };
    server.sweep();

    Ok(
        match presence.track(id, n, channel, &member, frame.data.clone().into()) {
            Ok(()) => format!("ack {n}\n"),
            Err(TrackError::Channels) => nak(n, "rejected", b"in too many channels at once"),
            Err(TrackError::Devices) => {
                nak(n, "rejected", b"this member has too many sessions here")
            }
            Err(TrackError::Memory) => nak(n, "rejected", b"the server has too many members"),
            Err(TrackError::Members) => nak(n, "rejected", b"the channel has too many members"),
        },
    )
}

const MOST_DATA: usize = 4096;
