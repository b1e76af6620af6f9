//! WebSockets.

use alloc::{format, string::String, vec};
use core::{pin::pin, time::Duration};

use downlink_core::{Head, IoError, Payload, WebSocketRequest};
use downlink_driver::{Inlet, Outgoing, Outlet, Port};
use futures_util::{
    StreamExt,
    future::{Either, select},
};
use js_sys::{Array, ArrayBuffer, JsString, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::{clock::Clock, mailbox::Mailbox};

/// Opens a WebSocket and carries messages both ways until one side ends it.
pub(crate) async fn converse(
    request: WebSocketRequest,
    port: &mut Port,
    clock: &Clock,
) -> Result<Option<u16>, IoError> {
    let mut events = Mailbox::default();
    let socket = Socket::open(&request, &events).map_err(|error| explain(&error))?;
    let Some(SocketEvent::Open) = events.next().await else {
        return Err(IoError::Hidden);
    };
    port.opened(socket.head()).await;

    let (inlet, outlet) = port.split();
    let reading = pin!(read(events, inlet, request.max_message));
    let writing = pin!(write(&socket, outlet, clock));
    match select(reading, writing).await {
        Either::Left((end, _)) => end,
        Either::Right(((), _)) => Ok(None),
    }
}

/// Reports messages until the server ends it.
async fn read(
    mut events: Mailbox<SocketEvent>,
    inlet: &mut Inlet,
    max_message: usize,
) -> Result<Option<u16>, IoError> {
    while let Some(event) = events.next().await {
        match event {
            SocketEvent::Open => {}
            SocketEvent::Message(message) if message.len() > max_message => {
                return Err(IoError::TooLarge);
            }
            SocketEvent::Message(message) => inlet.received(message).await,
            SocketEvent::Close(NO_CODE) => return Ok(None),
            SocketEvent::Close(LOST) => return Err(IoError::Cut),
            SocketEvent::Close(code) => return Ok(Some(code)),
        }
    }

    Err(IoError::Cut)
}

/// Sends what the core gives, and returns a while after it closed the WebSocket.
async fn write(socket: &Socket, outlet: &mut Outlet, clock: &Clock) {
    loop {
        match outlet.next().await {
            Outgoing::Close(code) => {
                socket.close(code);
                return clock.sleep(GRACE).await;
            }
            Outgoing::Message(payload) => socket.send(&payload),
        }
    }
}

/// What a browser tells of a WebSocket. It reports an error before each close with code 1006, so that errors say nothing
/// more; Node 20 reports the error alone.
enum SocketEvent {
    Close(u16),
    Message(Payload),
    Open,
}

/// A WebSocket that is closed and forgets its callbacks when it is dropped.
struct Socket {
    socket: WebSocket,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
    _on_error: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_open: Closure<dyn FnMut()>,
}

impl Socket {
    fn open(request: &WebSocketRequest, events: &Mailbox<SocketEvent>) -> Result<Self, JsValue> {
        let url = match request.url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => request.url.clone(),
        };
        let protocols: Array = request.protocols.iter().map(JsValue::from).collect();
        let socket = WebSocket::new_with_str_sequence(&url, &protocols)?;
        socket.set_binary_type(BinaryType::Arraybuffer);

        let on_close = Closure::<dyn FnMut(CloseEvent)>::new({
            let events = events.clone();
            move |event: CloseEvent| events.push(SocketEvent::Close(event.code()))
        });
        let on_error = Closure::<dyn FnMut()>::new({
            let events = events.clone();
            move || events.push(SocketEvent::Close(LOST))
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new({
            let events = events.clone();
            move |event: MessageEvent| events.push(SocketEvent::Message(payload(event.data())))
        });
        let on_open = Closure::<dyn FnMut()>::new({
            let events = events.clone();
            move || events.push(SocketEvent::Open)
        });
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        socket.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));

        Ok(Self {
            socket,
            _on_close: on_close,
            _on_error: on_error,
            _on_message: on_message,
            _on_open: on_open,
        })
    }

    fn head(&self) -> Head {
        let protocol = self.socket.protocol();
        let headers = if protocol.is_empty() {
            vec![]
        } else {
            vec![(String::from("sec-websocket-protocol"), protocol)]
        };

        Head {
            status: 101,
            headers,
        }
    }

    /// Throws nothing but on a socket that is not open yet, which this one is.
    fn send(&self, payload: &Payload) {
        let _is_open = match str::from_utf8(payload) {
            Ok(text) => self.socket.send_with_str(text),
            Err(_) => self.socket.send_with_u8_array(payload),
        };
    }

    /// A browser lets scripts use but a few codes.
    fn close(&self, code: u16) {
        if self.socket.close_with_code(code).is_err() {
            let _is_closing = self.socket.close();
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onclose(None);
        self.socket.set_onerror(None);
        self.socket.set_onmessage(None);
        self.socket.set_onopen(None);
        let _is_closing = self.socket.close();
    }
}

fn payload(data: JsValue) -> Payload {
    match data.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Payload::from(Uint8Array::new(&buffer).to_vec()),
        Err(text) => {
            let text: String = text.unchecked_into::<JsString>().into();

            Payload::from(text.into_bytes())
        }
    }
}

/// It may also be that there are no WebSockets here, as in Node 20, or none without TLS.
fn explain(error: &JsValue) -> IoError {
    if error.unchecked_ref::<js_sys::Error>().name() == "SyntaxError" {
        IoError::Url
    } else {
        IoError::Hidden
    }
}

const GRACE: Duration = Duration::from_secs(1);

/// What a browser says where a close had no code.
const NO_CODE: u16 = 1005;

/// What a browser says where there was no close.
const LOST: u16 = 1006;
