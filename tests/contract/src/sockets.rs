//! Ways to answer an upgrade.

use std::io;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::derive_accept_key,
        protocol::{
            CloseFrame, Role,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use crate::{
    answers,
    board::Topic,
    connection::{Connection, head},
    request::Request,
};

/// Answers in the way that the path names.
pub(crate) async fn answer(mut connection: Connection, request: &Request) -> io::Result<()> {
    let key = request.key();
    if request.path == "/ws/status" {
        return answers::status(&mut connection, request).await;
    }
    let mut opening = handshake(request).into_bytes();
    if request.path == "/ws/eager" {
        opening.extend_from_slice(b"\x82\x05eager");
    }
    connection.write(&opening).await?;

    match request.path.as_str() {
        "/ws/deaf" => {
            connection.board.read(Topic::Go, key).await;
            connection.gone().await;
            connection.board.post(Topic::Seen, key, "gone");
        }
        "/ws/end" => {}
        "/ws/reset" => {
            connection.board.read(Topic::Go, key).await;
            connection.reset();
        }
        _ => {
            let board = connection.board.clone();
            let socket =
                WebSocketStream::from_raw_socket(connection.stream, Role::Server, None).await;
            let seen = converse(socket, request).await;
            board.post(Topic::Seen, key, seen.unwrap_or_else(|_| "gone".into()));
        }
    }

    Ok(())
}

/// Carries messages in the way that the path names, and returns what it saw until the end.
async fn converse(
    mut socket: WebSocketStream<TcpStream>,
    request: &Request,
) -> Result<String, tungstenite::Error> {
    let size = request.number("size").unwrap_or(0);
    match request.path.as_str() {
        "/ws/close" => {
            let code = request
                .number("code")
                .and_then(|code| u16::try_from(code).ok());
            if code.is_some() {
                socket.send(Message::binary(&b"last words"[..])).await?;
            }
            let frame = code.map(|code| CloseFrame {
                code: code.into(),
                reason: "".into(),
            });
            socket.send(Message::Close(frame)).await?;
            while let Some(message) = socket.next().await {
                if let Message::Close(Some(answer)) = message? {
                    return Ok(format!("answered with {}", u16::from(answer.code)));
                }
            }
        }
        "/ws/echo" => return echo(socket).await,
        "/ws/flood" => return flood(socket, request.number("count").unwrap_or(0), size).await,
        "/ws/fragments" => {
            let bytes = vec![7; size];
            let (first, rest) = bytes.split_at(size / 2);
            for (bytes, code, is_last) in
                [(first, Data::Binary, false), (rest, Data::Continue, true)]
            {
                let frame = Frame::message(bytes.to_vec(), OpCode::Data(code), is_last);
                socket.send(Message::Frame(frame)).await?;
            }
        }
        "/ws/kind" => {
            while let Some(message) = socket.next().await {
                let kind = if message?.is_text() { "text" } else { "binary" };
                socket.send(Message::text(kind)).await?;
            }
        }
        "/ws/message" => socket.send(Message::binary(vec![7; size])).await?,
        "/ws/ping" => {
            socket.send(Message::Ping(b"ping".to_vec().into())).await?;
            while let Some(message) = socket.next().await {
                if let Message::Pong(bytes) = message?
                    && &bytes[..] == b"ping"
                {
                    socket.send(Message::binary(&b"pong came"[..])).await?;
                }
            }
        }
        _ => {}
    }
    while let Some(Ok(_)) = socket.next().await {}

    Ok("gone".into())
}

/// Echoes messages as what they came, text or binary.
async fn echo(mut socket: WebSocketStream<TcpStream>) -> Result<String, tungstenite::Error> {
    let mut count = 0;
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Binary(_) | Message::Text(_)) => socket.send(message).await?,
            Message::Close(frame) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                let _answer = socket.flush().await;

                return Ok(format!("{count}, then {code}"));
            }
            Message::Frame(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
        count += 1;
    }

    Ok("gone".into())
}

/// Reads nothing before it has sent everything.
async fn flood(
    mut socket: WebSocketStream<TcpStream>,
    count: usize,
    size: usize,
) -> Result<String, tungstenite::Error> {
    for _ in 0..count {
        socket.send(Message::binary(vec![7; size])).await?;
    }
    for _ in 0..count {
        let Some(message) = socket.next().await else {
            return Ok("gone".into());
        };
        message?;
    }
    socket.send(Message::binary(&b"all came"[..])).await?;
    while let Some(Ok(_)) = socket.next().await {}

    Ok("gone".into())
}

fn handshake(request: &Request) -> String {
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let accept = if request.path == "/ws/wrong-accept" {
        derive_accept_key(b"another key")
    } else {
        derive_accept_key(key.as_bytes())
    };
    let mut headers = vec![
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", &accept),
    ];
    if let Some(protocol) = request.parameter("protocol") {
        headers.push(("sec-websocket-protocol", protocol));
    }

    head(101, &headers) + "\r\n"
}
