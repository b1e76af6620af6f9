//! Ways to answer a request.

use std::{io, time::Duration};

use crate::{
    board::Topic,
    connection::{Connection, Next, head},
    request::Request,
};

/// Answers in the way that the path names.
pub(crate) async fn answer(connection: &mut Connection, request: &Request) -> io::Result<Next> {
    let key = request.key();
    if request.method == "OPTIONS" {
        connection.reply(204, &[], b"").await?;
        return Ok(Next::Keep);
    }

    match request.path.as_str() {
        "/arrived" => reply_note(connection, Topic::Arrived, key).await?,
        "/connection" => {
            let number = connection.number.to_string();
            connection.reply(200, &[], number.as_bytes()).await?;
        }
        "/echo" => echo(connection, request).await?,
        "/go" => {
            connection.board.post(Topic::Go, key, "");
            connection.reply(200, &[], b"").await?;
        }
        "/seen" => reply_note(connection, Topic::Seen, key).await?,
        "/slow-head" => {
            connection.write(b"HTTP/1.1 200 So\r\ncontent-le").await?;
            connection.board.read(Topic::Go, key).await;
            let rest = "ngth: 4\r\naccess-control-allow-origin: *\r\n\r\nlate";
            connection.write(rest.as_bytes()).await?;
        }
        "/stalled" => reply_note(connection, Topic::Stalled, key).await?,
        "/status" => status(connection, request).await?,
        "/two-chunks" => two_chunks(connection, request).await?,
        _ => return misbehave(connection, request).await,
    }

    Ok(Next::Keep)
}

/// Answers in a way that is the connection's last.
async fn misbehave(connection: &mut Connection, request: &Request) -> io::Result<Next> {
    let key = request.key();
    match request.path.as_str() {
        "/bad-chunk" => {
            connection.begin_chunks().await?;
            connection.write(b"this is no size\r\n").await?;
        }
        "/big" => big(connection, request).await?,
        "/endless" => {
            connection.begin_chunks().await?;
            connection.chunk(b"begin").await?;
        }
        "/garbage" => connection.write(b"This is no HTTP.\r\n\r\n").await?,
        "/hold" => {
            connection.begin_chunks().await?;
            connection.chunk(b"begin").await?;
            connection.gone().await;
            connection.board.post(Topic::Seen, key, "gone");
        }
        "/large-head" => {
            let line = format!("x-padding: {}\r\n", "a".repeat(1000));
            let head = format!("HTTP/1.1 200 So\r\n{}\r\n", line.repeat(4000));
            connection.write(head.as_bytes()).await?;
        }
        "/mute" => {
            connection.board.post(Topic::Arrived, key, "");
            connection.gone().await;
            connection.board.post(Topic::Seen, key, "gone");
        }
        "/reset" => return Ok(Next::Reset),
        "/reset-in-body" => {
            connection.begin_chunks().await?;
            connection.chunk(b"begin").await?;
            connection.board.read(Topic::Go, key).await;
            return Ok(Next::Reset);
        }
        "/short" => {
            let head = head(200, &[("content-length", "100")]);
            connection
                .write(format!("{head}\r\nshort").as_bytes())
                .await?;
        }
        _ => connection.reply(404, &[], b"no such behaviour").await?,
    }

    Ok(Next::Close)
}

async fn echo(connection: &mut Connection, request: &Request) -> io::Result<()> {
    let headers = [
        (
            "x-contract",
            request.header("x-contract").unwrap_or_default(),
        ),
        ("x-method", &request.method),
        (
            "x-user-agent",
            request.header("user-agent").unwrap_or_default(),
        ),
    ];

    connection.reply(200, &headers, &request.body).await
}

/// Answers with a status; those of upgrades too.
pub(crate) async fn status(connection: &mut Connection, request: &Request) -> io::Result<()> {
    let headers = [("location", "/connection"), ("retry-after", "7")];
    let status = request.number("status").unwrap_or(200);
    let body: &[u8] = if status == 204 { b"" } else { b"why" };

    connection.reply(status, &headers, body).await
}

async fn two_chunks(connection: &mut Connection, request: &Request) -> io::Result<()> {
    let (first, second) = "aäß€"
        .as_bytes()
        .split_at(request.number("cut").unwrap_or(1));

    connection.begin_chunks().await?;
    connection.chunk(first).await?;
    connection.board.read(Topic::Go, request.key()).await;
    connection.chunk(second).await?;
    connection.chunk(b"").await
}

/// Sends a large body, and notes how far it came when the client took no more for a while.
async fn big(connection: &mut Connection, request: &Request) -> io::Result<()> {
    let size = request.number("size").unwrap_or(0);
    let head = head(200, &[("content-length", &size.to_string())]);
    let body: Vec<u8> = (0..size).map(pattern).collect();
    let board = connection.board.clone();
    connection.write(format!("{head}\r\n").as_bytes()).await?;

    let mut written = 0;
    for piece in body.chunks(16 << 10) {
        let writing = connection.write(piece);
        tokio::pin!(writing);
        if let Ok(result) = tokio::time::timeout(STALL, &mut writing).await {
            result?;
        } else {
            board.post(Topic::Stalled, request.key(), written.to_string());
            writing.await?;
        }
        written += piece.len();
    }
    board.post(Topic::Stalled, request.key(), written.to_string());

    Ok(())
}

/// The byte at this place of a large body, which the contract computes too.
fn pattern(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]
}

async fn reply_note(connection: &mut Connection, topic: Topic, key: &str) -> io::Result<()> {
    let note = connection.board.read(topic, key).await;

    connection.reply(200, &[], note.as_bytes()).await
}

const STALL: Duration = Duration::from_millis(300);
