//! A client whose network and server are played by hand.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use downlink_core::{
    Client, Command, Config, Delivery, Head, HttpRequest, Instant, IoError, IoEvent, IoId,
    IoRequest, Member, Notice, Outcome, Output, Payload, PresenceId, PublishId, Reason,
    SnapshotReason, Start, State, SubscriptionId, Token, TokenAnswer, TokenReason, TrackId,
    TransportKind,
    protocol::{Downlink, Message},
};

pub(crate) struct Scene {
    client: Client,
    now: Instant,
    running: BTreeMap<IoId, Running>,
    requests: Vec<(IoId, IoRequest)>,
    opened_at: Vec<Instant>,
    sent: Vec<String>,
    notices: Vec<Notice>,
}

struct Running {
    via: Via,
    frames: String,
    is_open: bool,
    http: Option<HttpRequest>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Via {
    Http,
    WebSocket,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("https://example.org/downlink", Downlink);
        change(&mut config);
        let now = Instant::new(Duration::from_secs(100));
        let unix = Duration::from_secs(1_800_000_000);

        Self {
            client: Client::new(config, [9; 32], unix, now),
            now,
            running: BTreeMap::new(),
            requests: Vec::new(),
            opened_at: Vec::new(),
            sent: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(crate) fn only_by(transport: TransportKind) -> Self {
        Self::with(|config| config.transports = vec![transport])
    }

    /// Subscribed to `room:1` at x:5, on a WebSocket that was reached by climbing.
    pub(crate) fn connected_by_websocket() -> Self {
        let mut scene = Self::new();
        scene.subscribe(1, "room:1", Start::Now);
        scene.connect_by_websocket("ok 1 at=x:4\ne 1 5 msg :five\n");

        scene
    }

    /// On a WebSocket, a hook's state at x:4 and the event behind it.
    pub(crate) fn connected_with_snapshot() -> Self {
        let mut scene = Self::new();
        let subscription = SubscriptionId::new(1);
        let subscribe = Command::Subscribe {
            subscription,
            channel: "room:1".into(),
            start: Start::Now,
            snapshot: true,
        };
        let cursor = "x:4".parse().ok();
        let snapshot = Command::Snapshot {
            subscription,
            cursor,
        };
        scene.client.handle_command(subscribe, scene.now);
        scene.client.handle_command(snapshot, scene.now);
        scene.drain();
        scene.connect_by_websocket("ok 1 at=x:4\ne 1 5 msg :five\n");

        scene
    }

    pub(crate) fn connect_by_websocket(&mut self, frames: &str) {
        self.open(frames);
        self.pass(1);
        let poll = self.only(Via::Http);
        let socket = self.only(Via::WebSocket);
        let confirmed: String = self
            .body(socket)
            .lines()
            .filter_map(|line| line.strip_prefix("sub ")?.split_once(" after="))
            .map(|(sub, at)| format!("ok {} at={at}\n", sub.split(' ').next().unwrap()))
            .collect();
        let answer = format!("hi v=1 hello=1 beat=5000\nwelcome has=websocket,sse\n{confirmed}");
        self.say(socket, &answer);
        self.say(poll, &answer);
        self.end(poll);
        assert_eq!(self.transport(), Some(TransportKind::WebSocket));
    }

    /// Answers the opening with these frames, and ends it.
    pub(crate) fn open(&mut self, frames: &str) {
        let opening = self.only(Via::Http);
        self.say(
            opening,
            &format!("hi v=1 hello=1 beat=5000\nwelcome has=websocket,sse,stream\n{frames}"),
        );
        self.end(opening);
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.client.handle_command(command, self.now);
        self.drain();
    }

    pub(crate) fn subscribe(&mut self, id: u64, channel: &str, start: Start) {
        self.command(Command::Subscribe {
            subscription: SubscriptionId::new(id),
            channel: channel.into(),
            start,
            snapshot: false,
        });
    }

    pub(crate) fn subscribe_together(&mut self, channels: &[(u64, &str)]) {
        for (id, channel) in channels {
            let command = Command::Subscribe {
                subscription: SubscriptionId::new(*id),
                channel: (*channel).into(),
                start: Start::Now,
                snapshot: false,
            };
            self.client.handle_command(command, self.now);
        }
        self.drain();
    }

    /// The application has finished all up to this cursor.
    pub(crate) fn finish(&mut self, id: u64, cursor: &str) {
        self.command(Command::Finished {
            subscription: SubscriptionId::new(id),
            cursor: cursor.parse().unwrap(),
        });
    }

    /// Subscribes with a hook that gives a state.
    pub(crate) fn subscribe_with_snapshot(&mut self, id: u64, channel: &str) {
        self.command(Command::Subscribe {
            subscription: SubscriptionId::new(id),
            channel: channel.into(),
            start: Start::Now,
            snapshot: true,
        });
    }

    /// The hook answers.
    pub(crate) fn snapshot(&mut self, id: u64, cursor: Option<&str>) {
        self.command(Command::Snapshot {
            subscription: SubscriptionId::new(id),
            cursor: cursor.map(|cursor| cursor.parse().unwrap()),
        });
    }

    /// For what the hook was called.
    pub(crate) fn snapshots(&self, id: u64) -> Vec<SnapshotReason> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Snapshot(of, reason) if *of == SubscriptionId::new(id) => Some(*reason),
                _ => None,
            })
            .collect()
    }

    /// The server opens it, and says nothing yet.
    pub(crate) fn accept(&mut self, io: IoId) {
        if let Some(running) = self.running.get_mut(&io)
            && !std::mem::replace(&mut running.is_open, true)
        {
            let status = match running.via {
                Via::Http => 200,
                Via::WebSocket => 101,
            };
            let kind = if running.is_sse() {
                "text/event-stream"
            } else {
                "text/plain"
            };
            let headers = vec![
                ("content-type".into(), kind.into()),
                ("sec-websocket-protocol".into(), "downlink.v1".into()),
            ];
            self.tell(io, IoEvent::Opened(Head { status, headers }));
        }
    }

    /// The server says these frames.
    pub(crate) fn say(&mut self, io: IoId, frames: &str) {
        self.accept(io);
        if !self.running.contains_key(&io) {
            return;
        }
        let is_sse = self.running.get(&io).is_some_and(Running::is_sse);
        let bytes = if is_sse {
            frames
                .lines()
                .map(|frame| format!("data: {frame}\n"))
                .collect()
        } else {
            frames.to_owned()
        };
        self.tell(io, IoEvent::Received(Payload::from(bytes.as_bytes())));
    }

    pub(crate) fn end(&mut self, io: IoId) {
        self.running.remove(&io);
        self.tell(io, IoEvent::Finished(Ok(None)));
    }

    pub(crate) fn cut(&mut self, io: IoId) {
        self.fail(io, IoError::Cut);
    }

    pub(crate) fn fail(&mut self, io: IoId, error: IoError) {
        self.running.remove(&io);
        self.tell(io, IoEvent::Finished(Err(error)));
    }

    pub(crate) fn refuse(&mut self, io: IoId, status: u16) {
        let head = Head {
            status,
            headers: Vec::new(),
        };
        self.tell(io, IoEvent::Opened(head));
        self.end(io);
    }

    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Lets time pass in which the client gets no call.
    pub(crate) fn sleep(&mut self, milliseconds: u64) {
        self.now = self.now + Duration::from_millis(milliseconds);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    /// Lets seconds pass in which the server beats.
    pub(crate) fn stay(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(1_000);
            for io in self.all_running() {
                self.say(io, "beat\n");
            }
        }
    }

    pub(crate) fn only(&self, via: Via) -> IoId {
        let all = self.all(via);
        assert_eq!(all.len(), 1, "{via:?}");

        all[0]
    }

    pub(crate) fn all(&self, via: Via) -> Vec<IoId> {
        self.running
            .iter()
            .filter(|(_, running)| running.via == via)
            .map(|(io, _)| *io)
            .collect()
    }

    pub(crate) fn all_running(&self) -> Vec<IoId> {
        self.running.keys().copied().collect()
    }

    pub(crate) fn body(&self, io: IoId) -> &str {
        &self.running[&io].frames
    }

    pub(crate) fn http(&self, io: IoId) -> &HttpRequest {
        self.running[&io].http.as_ref().unwrap()
    }

    pub(crate) fn is_opening(&self, io: IoId) -> bool {
        self.body(io).contains("patience=100\n")
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened_at.len()
    }

    pub(crate) fn most_opened_within(&self, milliseconds: u64) -> usize {
        let window = Duration::from_millis(milliseconds);

        self.opened_at
            .iter()
            .map(|from| {
                self.opened_at
                    .iter()
                    .filter(|at| **at >= *from && at.since(*from) < window)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    /// What was sent on WebSockets since it was last asked.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    pub(crate) fn last_request(&self, io: IoId) -> Option<IoRequest> {
        let of_it = |(other, _): &&(IoId, IoRequest)| *other == io;

        self.requests
            .iter()
            .rev()
            .find(of_it)
            .map(|(_, request)| request.clone())
    }

    pub(crate) fn state(&self) -> State {
        self.client.state().clone()
    }

    pub(crate) fn transport(&self) -> Option<TransportKind> {
        match self.client.state() {
            State::Connected { transport } => Some(*transport),
            _ => None,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    pub(crate) fn delivered(&self, id: u64) -> Vec<String> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Delivery(of, delivery) if *of == SubscriptionId::new(id) => Some(delivery),
                _ => None,
            })
            .map(|delivery| match delivery {
                Delivery::Event(event) => {
                    let data = std::str::from_utf8(&event.data).unwrap();
                    format!("{} {data}", event.cursor)
                }
                Delivery::Gap(gap) => {
                    let from = gap
                        .from
                        .as_ref()
                        .map_or_else(|| "-".into(), ToString::to_string);
                    format!("gap {from} {} {}", gap.to, gap.why)
                }
            })
            .collect()
    }

    /// Whether the application was told that it is connected, and only then of an event.
    pub(crate) fn connected_before_events(&self) -> bool {
        let at = |is: fn(&Notice) -> bool| self.notices.iter().position(is);
        let connected = at(|notice| matches!(notice, Notice::State(State::Connected { .. })));
        let event = at(|notice| matches!(notice, Notice::Delivery(..)));

        matches!((connected, event), (Some(connected), Some(event)) if connected < event)
    }

    pub(crate) fn gaps(&self) -> Vec<&Notice> {
        let is_gap = |notice: &&Notice| matches!(notice, Notice::Delivery(_, Delivery::Gap(_)));

        self.notices.iter().filter(is_gap).collect()
    }

    pub(crate) fn ended(&self, id: u64) -> Option<Reason> {
        self.notices.iter().find_map(|notice| match notice {
            Notice::Ended(of, reason) if *of == SubscriptionId::new(id) => Some(reason.clone()),
            _ => None,
        })
    }

    pub(crate) fn publish(&mut self, id: u64, channel: &str, data: &str) {
        self.command(Command::Publish(Message {
            id: PublishId::new(id),
            channel: channel.into(),
            name: "msg".into(),
            data: Payload::from(data.as_bytes()),
        }));
    }

    /// What became of the publishes, in the order of their ends.
    pub(crate) fn published(&self) -> Vec<String> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Published(id, result) => Some((id.number(), result)),
                _ => None,
            })
            .map(|(id, result)| match result {
                Ok(ack) => {
                    let at = ack
                        .cursor
                        .as_ref()
                        .map_or_else(|| "-".into(), ToString::to_string);
                    let reply = std::str::from_utf8(&ack.data).unwrap();
                    format!("{id} {at} {reply}").trim_end().into()
                }
                Err(Reason::Refused { code, .. }) => format!("{id} {code}"),
                Err(reason) => format!("{id} {reason:?}"),
            })
            .collect()
    }

    pub(crate) fn watch(&mut self, id: u64, channel: &str) {
        self.command(Command::Watch {
            presence: PresenceId::new(id),
            channel: channel.into(),
        });
    }

    pub(crate) fn track(&mut self, id: u64, channel: &str, data: &str) {
        self.command(Command::Track {
            track: TrackId::new(id),
            channel: channel.into(),
            data: Payload::from(data.as_bytes()),
        });
    }

    pub(crate) fn untrack(&mut self, id: u64, channel: &str) {
        self.command(Command::Untrack {
            track: TrackId::new(id),
            channel: channel.into(),
        });
    }

    /// What was told of who is there.
    pub(crate) fn seen(&self, id: u64) -> Vec<String> {
        let list = |sign: &str, members: &[Member]| {
            let members = members.iter().map(|member| {
                let data = std::str::from_utf8(&member.data).unwrap();
                format!(" {sign}{}*{} {data}", member.id, member.sessions)
                    .trim_end()
                    .to_owned()
            });
            members.collect::<String>()
        };

        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Presence(of, changes) if *of == PresenceId::new(id) => Some(format!(
                    "{}{}{}{}",
                    changes.revision,
                    list("+", &changes.joined),
                    list("~", &changes.updated),
                    list("-", &changes.left)
                )),
                Notice::PresenceEnded(of, reason) if *of == PresenceId::new(id) => {
                    Some(format!("ended {reason:?}"))
                }
                _ => None,
            })
            .collect()
    }

    /// What became of the wishes to be seen.
    pub(crate) fn tracked(&self) -> Vec<String> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Tracked(id, Ok(())) => Some(format!("{}", id.number())),
                Notice::Tracked(id, Err(Reason::Refused { code, .. })) => {
                    Some(format!("{} {code}", id.number()))
                }
                Notice::Tracked(id, Err(reason)) => Some(format!("{} {reason:?}", id.number())),
                Notice::Untracked(channel, _) => Some(format!("{channel} untracked")),
                _ => None,
            })
            .collect()
    }

    /// The requests that send something and do not ask for anything.
    pub(crate) fn posts(&self) -> Vec<IoId> {
        self.all(Via::Http)
            .into_iter()
            .filter(|io| {
                let sent = ["\npub ", "\ntrack ", "\nuntrack ", "\nbye\n"];
                sent.iter().any(|verb| self.body(*io).contains(verb))
            })
            .collect()
    }

    /// The application answers with this token.
    pub(crate) fn give(&mut self, token: &str) {
        let token = Token::new(token).unwrap();
        self.answer(TokenAnswer::Token(token));
    }

    pub(crate) fn answer(&mut self, answer: TokenAnswer) {
        self.command(Command::Token(answer));
    }

    /// Why the application was asked for a token, each time.
    pub(crate) fn asked_for_token(&self) -> Vec<TokenReason> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Token(reason) => Some(*reason),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn credential(&mut self, channel: &str, answer: TokenAnswer) {
        self.command(Command::Credential {
            channel: channel.into(),
            answer,
        });
    }

    /// For which channels and challenges the application was asked.
    pub(crate) fn challenges(&self) -> Vec<String> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Credential { channel, challenge } => Some(format!("{channel} {challenge}")),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Trial(trial) => Some(trial.outcome.clone()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn memory(&self) -> Option<String> {
        self.notices.iter().rev().find_map(|notice| match notice {
            Notice::Memory(memory) => Some(memory.clone()),
            _ => None,
        })
    }

    fn tell(&mut self, io: IoId, event: IoEvent) {
        self.client.handle_io(io, event, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Io(io, request) => {
                    self.perform(io, &request);
                    self.requests.push((io, request));
                }
                Output::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    fn perform(&mut self, io: IoId, request: &IoRequest) {
        match request {
            IoRequest::Cancel | IoRequest::Close(_) => {
                self.running.remove(&io);
            }
            IoRequest::Http(request) => {
                let frames = std::str::from_utf8(&request.body).unwrap().to_owned();
                let is_held = ["patience=15000", "patience=5000"]
                    .iter()
                    .any(|held| frames.contains(held));
                if !is_held || self.running.is_empty() {
                    self.opened_at.push(self.now);
                }
                self.begin(io, Via::Http, frames, Some(request.clone()));
            }
            IoRequest::Send(payload) => {
                self.sent
                    .push(std::str::from_utf8(payload).unwrap().to_owned());
            }
            IoRequest::WebSocket(request) => {
                self.opened_at.push(self.now);
                let frames = request
                    .protocols
                    .iter()
                    .find_map(|protocol| protocol.strip_prefix("dl."))
                    .map(|value| URL_SAFE_NO_PAD.decode(value).unwrap());
                let frames = String::from_utf8(frames.unwrap_or_default()).unwrap();
                self.begin(io, Via::WebSocket, frames, None);
            }
        }
    }

    fn begin(&mut self, io: IoId, via: Via, frames: String, http: Option<HttpRequest>) {
        let running = Running {
            via,
            frames,
            is_open: false,
            http,
        };
        self.running.insert(io, running);
    }
}

impl Running {
    fn is_sse(&self) -> bool {
        self.http
            .as_ref()
            .is_some_and(|http| http.headers.iter().any(|(name, _)| name == "accept"))
    }
}
