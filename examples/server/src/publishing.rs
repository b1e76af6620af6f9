//! What becomes of a client's `pub`: `docs/protocol.md`, section 11.

use std::sync::Arc;

use crate::{
    Message, PublishError, Server,
    access::{Accepted, Rejected},
    dialogue::{Client, LONGEST_WAIT, Refusal, wait_of},
    frame::{Carrier, Frame, number, write_payload},
    server::{Counter, check_name},
    session::{Memory, Seen},
};

/// Judges the publishes of one request or message, in their order; returns the answers.
///
/// # Errors
/// A frame breaks the grammar; those before it were judged.
pub(crate) async fn judge(
    server: Server,
    client: Client,
    frames: Vec<Frame>,
) -> Result<Vec<u8>, Refusal> {
    let session = server.sessions().get(client.session);
    let mut memory = session.0.lock().await;
    let mut answers = Vec::new();
    for frame in frames {
        let wait = wait_of(&client);
        if wait > LONGEST_WAIT {
            return Err(Refusal::busy(wait));
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let answer = judge_one(&server, &client, &mut memory, frame).await?;
        answers.extend_from_slice(answer.as_bytes());
    }

    Ok(answers)
}

async fn judge_one(
    server: &Server,
    client: &Client,
    memory: &mut Memory,
    frame: Frame,
) -> Result<Arc<str>, Refusal> {
    let mut words = frame.words.into_iter();
    let n = words.next().and_then(|word| number(&word));
    let (Some(n), Some(channel), Some(name)) = (n, words.next(), words.next()) else {
        return Err(Refusal::MALFORMED);
    };
    let is_again = words.any(|word| word == "again");
    let keeps = server.sessions().keeps();
    match memory.look_up(n, is_again, keeps) {
        Seen::Answered(answer) => return Ok(answer),
        Seen::Forgotten => return Ok(nak(n, "unknown", b"").into()),
        Seen::New => {}
    }
    let name = if name == "-" { String::new() } else { name };
    let message = Message::new(name, frame.data);
    let answer: Arc<str> = publish(server, client, n, &channel, message).await.into();
    memory.note(n, &answer, keeps);
    if answer.starts_with("nak") {
        server.count(Counter::PublishesRefused);
    }

    Ok(answer)
}

async fn publish(
    server: &Server,
    Client { session, grant, .. }: &Client,
    n: u64,
    channel: &str,
    message: Message,
) -> String {
    if check_name(channel).is_err() {
        return nak(n, "bad-channel", b"a name has 1 to 255 bytes");
    }
    if !server.may(grant, channel, |grant| &grant.rights.publish) {
        return nak(n, "forbidden", b"no right to publish here");
    }
    let Accepted { message, reply } = match server.hooks().publish(grant, channel, message).await {
        Ok(accepted) => accepted,
        Err(Rejected(reason)) => return nak(n, "rejected", &reason),
    };
    match server.append(channel, message, Some(*session)) {
        Ok(position) => {
            let mut line = format!("ack {n} at={position}").into_bytes();
            finish(&mut line, &reply);
            text(line)
        }
        Err(error) => nak(n, code(error), error.to_string().as_bytes()),
    }
}

pub(crate) fn nak(n: u64, code: &str, reason: &[u8]) -> String {
    let mut line = format!("nak {n} {code}").into_bytes();
    finish(&mut line, reason);

    text(line)
}

/// A payload that is no text would need its length: an answer carries text or base64.
fn finish(line: &mut Vec<u8>, payload: &[u8]) {
    let payload = &payload[..payload.len().min(MOST_REPLY)];
    write_payload(payload, Carrier::Sse, line);
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap_or_default()
}

fn code(error: PublishError) -> &'static str {
    match error {
        PublishError::ChannelName => "bad-channel",
        PublishError::EventName => "bad-name",
        PublishError::TooLarge => "too-large",
        PublishError::TooManyChannels => "unknown-channel",
    }
}

const MOST_REPLY: usize = 4096;
