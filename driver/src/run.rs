//! The loop.

use alloc::{collections::BTreeMap, vec::Vec};
use core::pin::pin;

use downlink_core::{
    Client, Command, HttpRequest, Instant, IoEvent, IoId, IoRequest, Notice, Output,
    WebSocketRequest,
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{AbortHandle, Abortable, Fuse},
    select_biased,
    stream::{FuturesUnordered, SelectAll},
};

use crate::{
    Outgoing, Platform, Port,
    chain::{self, chain},
    port::Incoming,
};

/// Runs `client` on `platform` until it is closed, or `commands` ends, which closes it.
///
/// One future that owns everything: dropping it drops all I/O. `sink` gets what the application is told, in batches; it
/// must not block. The future is `Send` if the platform's futures are.
pub async fn run<P: Platform>(
    mut client: Client,
    platform: P,
    commands: impl Stream<Item = Command>,
    mut sink: impl FnMut(&mut Vec<Notice>),
) {
    let mut commands = pin!(commands.fuse());
    let mut sleep = pin!(Fuse::terminated());
    let mut wake_at = None;
    let mut running = FuturesUnordered::new();
    let mut incoming = SelectAll::new();
    let mut handles = BTreeMap::new();
    let mut batch = Vec::new();

    loop {
        while let Some(output) = client.poll_output() {
            match output {
                Output::Notice(notice) => batch.push(notice),
                Output::Io(id, request) => {
                    let Some(work) = begin(id, request, &mut handles) else {
                        continue;
                    };
                    let (up, from_io) = chain();
                    let (to_io, down) = chain();
                    let (abort, registration) = AbortHandle::new_pair();
                    handles.insert(id, Handle { abort, to_io });
                    incoming.push(from_io.map(move |incoming| (id, incoming)));
                    let port = Port::new(up, down);
                    running.push(Abortable::new(perform(&platform, work, port), registration));
                }
            }
        }
        if !batch.is_empty() {
            sink(&mut batch);
            batch.clear();
        }
        if client.is_closed() && running.is_empty() {
            return;
        }
        let next = client.poll_timeout();
        if next != wake_at {
            wake_at = next;
            sleep.set(match next {
                Some(at) => platform.sleep(at.since(platform.now())).fuse(),
                None => Fuse::terminated(),
            });
        }

        select_biased! {
            command = commands.next() => {
                take_commands(&mut client, command, &mut commands, platform.now());
            }
            () = sleep => {
                wake_at = None;
                client.handle_timeout(platform.now());
            }
            (id, Incoming { event, taken }) = incoming.select_next_some() => {
                if let IoEvent::Finished(_) = event {
                    handles.remove(&id);
                }
                client.handle_io(id, event, platform.now());
                drop(taken);
            }
            _ended = running.select_next_some() => {}
        }
    }
}

/// A hold on running I/O.
struct Handle {
    abort: AbortHandle,
    to_io: chain::Sender<Outgoing>,
}

enum Work {
    Http(HttpRequest),
    WebSocket(WebSocketRequest),
}

/// Does what can be done at once, and returns the work that takes time.
fn begin(id: IoId, request: IoRequest, handles: &mut BTreeMap<IoId, Handle>) -> Option<Work> {
    match request {
        IoRequest::Cancel => {
            if let Some(handle) = handles.remove(&id) {
                handle.abort.abort();
            }
            None
        }
        IoRequest::Close(code) => {
            send(id, Outgoing::Close(code), handles);
            None
        }
        IoRequest::Http(request) => Some(Work::Http(request)),
        IoRequest::Send(payload) => {
            send(id, Outgoing::Message(payload), handles);
            None
        }
        IoRequest::WebSocket(request) => Some(Work::WebSocket(request)),
    }
}

fn send(id: IoId, outgoing: Outgoing, handles: &mut BTreeMap<IoId, Handle>) {
    if let Some(handle) = handles.get_mut(&id) {
        handle.to_io.send(outgoing);
    }
}

async fn perform<P: Platform>(platform: &P, work: Work, mut port: Port) {
    let result = match work {
        Work::Http(request) => platform.http(request, &mut port).await.map(|()| None),
        Work::WebSocket(request) => platform.websocket(request, &mut port).await,
    };

    port.finished(result);
}

/// Takes all commands that are there, so that those of one turn make one change. Their end may be among them.
fn take_commands(
    client: &mut Client,
    first: Option<Command>,
    others: &mut (impl Stream<Item = Command> + Unpin),
    now: Instant,
) {
    let mut command = first;
    loop {
        let Some(next) = command else {
            client.handle_command(Command::Close, now);
            return;
        };
        client.handle_command(next, now);
        let Some(other) = others.next().now_or_never() else {
            return;
        };
        command = other;
    }
}

#[cfg(test)]
mod tests {
    use core::{future::pending, time::Duration};

    use downlink_core::{Config, IoError, protocol::Downlink};
    use futures_util::stream;

    use super::*;

    #[test]
    fn the_end_of_the_commands_closes_the_client_although_a_command_came_with_it() {
        let commands = stream::iter([Command::Connect]);

        let end = run(client(), Still, commands, |_| {}).now_or_never();

        assert_eq!(end, Some(()));
    }

    #[test]
    fn a_client_runs_as_long_as_its_commands() {
        let end = run(client(), Still, stream::pending(), |_| {}).now_or_never();

        assert_eq!(end, None);
    }

    /// Time stands still, and no I/O ever ends.
    struct Still;

    impl Platform for Still {
        fn now(&self) -> Instant {
            Instant::default()
        }

        async fn sleep(&self, _: Duration) {
            pending().await
        }

        async fn http(&self, _: HttpRequest, _: &mut Port) -> Result<(), IoError> {
            pending().await
        }

        async fn websocket(
            &self,
            _: WebSocketRequest,
            _: &mut Port,
        ) -> Result<Option<u16>, IoError> {
            pending().await
        }
    }

    fn client() -> Client {
        let config = Config::new("http://localhost/", Downlink);

        Client::new(config, [7; 32], Duration::ZERO, Instant::default())
    }
}
