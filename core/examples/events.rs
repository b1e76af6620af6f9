//! Feeds prepared events to a client and takes what comes out, for `cargo xtask bench core`.
//!
//! `events TRANSPORT BATCH PREPARED FED`: of `PREPARED` events in chunks of `BATCH`, `FED` are fed. What two runs that prepare
//! as many differ in is the cost of the events that only one of them was fed.

use std::{env, error::Error, mem, time::Duration};

use downlink_core::{
    Client, Command, Config, Cursor, Delivery, Head, Instant, IoEvent, IoId, IoRequest, Notice,
    Output, Payload, Start, SubscriptionId, TransportKind, protocol::Downlink,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [transport, batch, prepared, fed] = arguments.as_slice() else {
        return Err("events TRANSPORT BATCH PREPARED FED".into());
    };
    let transport: TransportKind = transport.parse()?;
    let (batch, prepared, fed) = (batch.parse()?, prepared.parse()?, fed.parse::<usize>()?);
    let mut chunks = Vec::new();
    for first in (1..=prepared).step_by(batch) {
        chunks.push(chunk(transport, first..first + batch));
    }

    let mut session = Session::connect(transport)?;
    let mut chunks = chunks.into_iter();
    for chunk in chunks.by_ref().take(fed / batch) {
        session.feed(chunk);
    }
    mem::forget(chunks);

    if session.delivered != fed {
        return Err(format!("{} of {fed} events were delivered", session.delivered).into());
    }

    Ok(())
}

/// A client that is connected and subscribed.
struct Session {
    client: Client,
    io: IoId,
    now: Instant,
    delivered: usize,
}

impl Session {
    fn connect(transport: TransportKind) -> Result<Self, Box<dyn Error>> {
        let mut config = Config::new("http://server/downlink", Downlink);
        config.transports = vec![transport];
        config.opening = false;
        let now = Instant::default();
        let mut client = Client::new(config, [7; 32], Duration::ZERO, now);
        let command = Command::Subscribe {
            subscription: SUBSCRIPTION,
            channel: "room:1".into(),
            start: Start::Now,
            snapshot: false,
        };
        client.handle_command(command, now);
        let io = loop {
            match client.poll_output().ok_or("nothing is asked for")? {
                Output::Io(io, IoRequest::Http(_) | IoRequest::WebSocket(_)) => break io,
                Output::Io(_, _) | Output::Notice(_) => {}
            }
        };
        let mut session = Self {
            client,
            io,
            now,
            delivered: 0,
        };

        session.hear(IoEvent::Opened(head(transport)));
        session.feed(framed(transport, "hi v=1 hello=1 beat=5000\n"));
        let welcome = "welcome has=websocket,sse,stream time=1700000000000\nok 1 at=e7:0\n";
        session.feed(framed(transport, welcome));

        Ok(session)
    }

    fn feed(&mut self, chunk: Payload) {
        self.now = self.now + Duration::from_millis(1);
        self.hear(IoEvent::Received(chunk));
    }

    fn hear(&mut self, event: IoEvent) {
        self.client.handle_io(self.io, event, self.now);
        if let Some(cursor) = self.drain() {
            let command = Command::Finished {
                subscription: SUBSCRIPTION,
                cursor,
            };
            self.client.handle_command(command, self.now);
            self.drain();
        }
    }

    /// Takes all that is there; returns where the last event was.
    fn drain(&mut self) -> Option<Cursor> {
        let mut last = None;
        while let Some(output) = self.client.poll_output() {
            if let Output::Notice(Notice::Delivery(_, Delivery::Event(event))) = output {
                self.delivered += 1;
                last = Some(event.cursor);
            }
        }

        last
    }
}

fn head(transport: TransportKind) -> Head {
    let (status, name, value) = match transport {
        TransportKind::WebSocket => (101, "sec-websocket-protocol", "downlink.v1"),
        TransportKind::Sse => (200, "content-type", "text/event-stream"),
        TransportKind::LongPoll | TransportKind::Poll | TransportKind::Stream => {
            (200, "content-type", "text/plain")
        }
    };

    Head {
        status,
        headers: vec![(name.into(), value.into())],
    }
}

/// Events of 100 bytes, as the reference server writes them.
fn chunk(transport: TransportKind, seqs: std::ops::Range<usize>) -> Payload {
    let text = "an event of a hundred bytes, ".repeat(4);
    let lines: String = seqs
        .map(|seq| format!("e 1 {seq} tick t={seq} :{}\n", &text[..100]))
        .collect();

    framed(transport, &lines)
}

fn framed(transport: TransportKind, lines: &str) -> Payload {
    match transport {
        TransportKind::Sse => {
            let mut event: String = lines
                .lines()
                .map(|line| format!("data: {line}\n"))
                .collect();
            event.push('\n');
            Payload::from(event.as_bytes())
        }
        TransportKind::LongPoll
        | TransportKind::Poll
        | TransportKind::Stream
        | TransportKind::WebSocket => Payload::from(lines.as_bytes()),
    }
}

const SUBSCRIPTION: SubscriptionId = SubscriptionId::new(1);
