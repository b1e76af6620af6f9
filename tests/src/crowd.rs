//! Many clients and one server, in virtual time with the real core.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, VecDeque},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use downlink_core::{
    Client, Command, Config, Delivery, Head, Instant, IoError, IoEvent, IoId, IoRequest, Notice,
    Output, Payload, Reuse, Start, SubscriptionId, protocol::Downlink,
};

/// How many come, and how fast the server is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) clients: usize,
    /// They arrive evenly within this time.
    pub(crate) arrive_within: Duration,
    /// What a hello costs the server.
    pub(crate) hello: Duration,
    /// What a `hi`, or a further poll of a known session, costs.
    pub(crate) trifle: Duration,
    /// One way through the network.
    pub(crate) one_way: Duration,
    /// What the server says of unannounced losses.
    pub(crate) spread: Duration,
    /// For all randomness.
    pub(crate) seed: u64,
}

/// Many clients, and a server with one processor: a `hi` is written as soon as a request is there; behind it the hellos
/// queue up.
pub(crate) struct World {
    crowd: Crowd,
    now: Duration,
    agenda: BinaryHeap<Reverse<Entry>>,
    next_order: u64,
    visitors: Vec<Visitor>,
    server: Server,
    /// When the server died and was back.
    died: Option<Duration>,
    pub(crate) served: usize,
    pub(crate) last_served: Duration,
    pub(crate) connections: usize,
    pub(crate) connections_before: usize,
}

struct Visitor {
    client: Client,
    has_event: bool,
    /// HTTP requests under way; what is over leaves its connection in the pool.
    asking: BTreeSet<IoId>,
    idle: usize,
    timer: Option<Duration>,
    /// When it first asked for something after the server's death.
    came_back: Option<Duration>,
}

#[derive(Default)]
struct Server {
    is_busy: bool,
    trifles: VecDeque<Job>,
    hellos: VecDeque<Job>,
    sessions: BTreeSet<String>,
    /// Answers and sockets that have not ended.
    open: BTreeSet<(usize, IoId)>,
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Job {
    visitor: usize,
    io: IoId,
    request: Request,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Carrier {
    Http,
    Sse,
    WebSocket,
}

#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Request {
    frames: String,
    carrier: Carrier,
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    at: Duration,
    order: u64,
    action: Action,
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Action {
    Arrive(usize),
    Beat(usize, IoId),
    Hear(usize, IoId, Heard),
    Request(Job),
    Timer(usize),
    Work(Job, Stage),
}

#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Heard {
    Cut,
    End,
    Frames(String),
    Head(u16, Carrier),
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Hello,
    Hi,
}

impl World {
    pub(crate) fn new(crowd: Crowd) -> Self {
        let mut world = Self {
            crowd,
            now: Duration::ZERO,
            agenda: BinaryHeap::new(),
            next_order: 0,
            visitors: Vec::new(),
            server: Server::default(),
            died: None,
            served: 0,
            last_served: Duration::ZERO,
            connections: 0,
            connections_before: 0,
        };
        for number in 0..crowd.clients {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&(crowd.seed << 32 | number as u64).to_le_bytes());
            let config = Config::new("http://server/downlink", Downlink);
            world.visitors.push(Visitor {
                client: Client::new(config, seed, Duration::ZERO, Instant::default()),
                has_event: false,
                asking: BTreeSet::new(),
                idle: 0,
                timer: None,
                came_back: None,
            });
            let at = crowd.arrive_within * number as u32 / crowd.clients as u32;
            world.plan(at, Action::Arrive(number));
        }

        world
    }

    /// Does what comes next; `false` if nothing comes until `limit`.
    pub(crate) fn step(&mut self, limit: Duration) -> bool {
        let Some(Reverse(next)) = self.agenda.peek() else {
            return false;
        };
        if next.at > limit {
            return false;
        }
        if let Some(Reverse(next)) = self.agenda.pop() {
            self.now = next.at;
            self.act(next.action);
        }

        true
    }

    /// The server dies without a word, and is back at once. Returns when the clients hear of it.
    pub(crate) fn die(&mut self) -> Duration {
        let heard = self.now + self.crowd.one_way;
        self.died = Some(self.now);
        for (visitor, io) in std::mem::take(&mut self.server).open {
            self.plan(heard, Action::Hear(visitor, io, Heard::Cut));
        }
        for visitor in &mut self.visitors {
            visitor.idle = 0;
        }

        heard
    }

    /// When each client that came back after the server's death first asked for something.
    pub(crate) fn returns(&self) -> impl Iterator<Item = Duration> {
        self.visitors.iter().filter_map(|visitor| visitor.came_back)
    }

    fn plan(&mut self, at: Duration, action: Action) {
        let order = self.next_order;
        self.next_order += 1;
        self.agenda.push(Reverse(Entry { at, order, action }));
    }

    fn act(&mut self, action: Action) {
        let now = Instant::new(self.now);
        match action {
            Action::Arrive(visitor) => {
                let command = Command::Subscribe {
                    subscription: SubscriptionId::new(1),
                    channel: "room".into(),
                    start: Start::Last(1),
                    snapshot: false,
                };
                self.visitors[visitor].client.handle_command(command, now);
                self.drain(visitor);
            }
            Action::Beat(visitor, io) => {
                if self.server.open.contains(&(visitor, io)) {
                    // A line that is no SSE field is passed over there, which is a sign of life all the same.
                    self.answer(visitor, io, Heard::Frames("beat\n".into()));
                    self.plan(self.now + BEAT, Action::Beat(visitor, io));
                }
            }
            Action::Hear(visitor, io, heard) => {
                let client = &mut self.visitors[visitor].client;
                match heard {
                    Heard::Cut => {
                        self.visitors[visitor].asking.remove(&io);
                        let client = &mut self.visitors[visitor].client;
                        client.handle_io(io, IoEvent::Finished(Err(IoError::Cut)), now);
                    }
                    Heard::End => {
                        self.server.open.remove(&(visitor, io));
                        if self.visitors[visitor].asking.remove(&io) {
                            self.visitors[visitor].idle += 1;
                        }
                        let client = &mut self.visitors[visitor].client;
                        client.handle_io(io, IoEvent::Finished(Ok(None)), now);
                    }
                    Heard::Frames(frames) => {
                        let chunk = Payload::from(frames.as_bytes());
                        client.handle_io(io, IoEvent::Received(chunk), now);
                    }
                    Heard::Head(status, carrier) => {
                        let kind = match carrier {
                            Carrier::Http | Carrier::WebSocket => "text/plain",
                            Carrier::Sse => "text/event-stream",
                        };
                        let headers = vec![
                            ("content-type".into(), kind.into()),
                            ("sec-websocket-protocol".into(), "downlink.v1".into()),
                        ];
                        client.handle_io(io, IoEvent::Opened(Head { status, headers }), now);
                    }
                }
                self.drain(visitor);
            }
            Action::Request(job) => {
                self.server.trifles.push_back(job);
                self.work();
            }
            Action::Timer(visitor) => {
                let known = &mut self.visitors[visitor];
                if known.timer == Some(self.now) {
                    known.timer = None;
                    known.client.handle_timeout(now);
                    self.drain(visitor);
                }
            }
            Action::Work(job, stage) => {
                self.server.is_busy = false;
                self.finish(job, stage);
                self.work();
            }
        }
    }

    /// Puts the processor to the next job.
    fn work(&mut self) {
        if self.server.is_busy {
            return;
        }
        let (job, stage, cost) = if let Some(job) = self.server.trifles.pop_front() {
            (job, Stage::Hi, self.crowd.trifle)
        } else if let Some(job) = self.server.hellos.pop_front() {
            (job, Stage::Hello, self.crowd.hello)
        } else {
            return;
        };
        self.server.is_busy = true;
        self.plan(self.now + cost, Action::Work(job, stage));
    }

    fn finish(&mut self, job: Job, stage: Stage) {
        let frames = &job.request.frames;
        let session = frames
            .split_once("session=")
            .and_then(|(_, rest)| rest.split([' ', '\n']).next())
            .unwrap_or_default()
            .to_owned();
        let (visitor, io) = (job.visitor, job.io);
        match stage {
            Stage::Hi => {
                let is_websocket = job.request.carrier == Carrier::WebSocket;
                let status = if is_websocket { 101 } else { 200 };
                self.answer(visitor, io, Heard::Head(status, job.request.carrier));
                self.say(&job, "hi v=1 hello=1 beat=5000\n");
                let is_further_poll = !is_websocket && self.server.sessions.contains(&session);
                self.server.open.insert((visitor, io));
                self.plan(self.now + BEAT, Action::Beat(visitor, io));
                if is_further_poll {
                    self.welcome(&job);
                } else {
                    self.server.hellos.push_back(job);
                }
            }
            Stage::Hello => {
                self.server.sessions.insert(session);
                self.welcome(&job);
            }
        }
    }

    fn welcome(&mut self, job: &Job) {
        let is_news = job.request.frames.contains(" last=1");
        let mut frames = String::from("welcome has=websocket,sse,stream");
        match self.crowd.spread.as_millis() {
            0 => frames.push('\n'),
            spread => frames.push_str(&format!(" spread={spread}\n")),
        }
        frames.push_str(if is_news {
            "ok 1 at=x:0\ne 1 1 news :first\n"
        } else {
            "ok 1 at=x:1\n"
        });
        self.say(job, &frames);
        if job.request.carrier == Carrier::WebSocket || job.request.frames.contains("mode=stream") {
            return;
        }
        if is_news {
            self.server.open.remove(&(job.visitor, job.io));
            self.answer(job.visitor, job.io, Heard::End);
        } else {
            let at = self.now + HOLD + self.crowd.one_way;
            self.plan(at, Action::Hear(job.visitor, job.io, Heard::End));
        }
    }

    fn say(&mut self, job: &Job, frames: &str) {
        let frames = match job.request.carrier {
            Carrier::Http | Carrier::WebSocket => frames.to_owned(),
            Carrier::Sse => frames
                .lines()
                .map(|frame| format!("data: {frame}\n"))
                .collect(),
        };
        self.answer(job.visitor, job.io, Heard::Frames(frames));
    }

    fn answer(&mut self, visitor: usize, io: IoId, heard: Heard) {
        let at = self.now + self.crowd.one_way;
        self.plan(at, Action::Hear(visitor, io, heard));
    }

    /// Does what a client asks for.
    fn drain(&mut self, number: usize) {
        while let Some(output) = self.visitors[number].client.poll_output() {
            match output {
                Output::Io(io, IoRequest::Http(request)) => {
                    let frames = String::from_utf8_lossy(&request.body).into_owned();
                    let visitor = &mut self.visitors[number];
                    visitor.asking.insert(io);
                    let reuses = visitor.idle > 0 && request.reuse == Reuse::Any;
                    if reuses {
                        visitor.idle -= 1;
                    }
                    let trips = if reuses { 1 } else { self.connect(number) };
                    let at = self.now + self.crowd.one_way * trips;
                    let is_sse = request.headers.iter().any(|(name, _)| name == "accept");
                    let carrier = if is_sse { Carrier::Sse } else { Carrier::Http };
                    let request = Request { frames, carrier };
                    self.plan(
                        at,
                        Action::Request(Job {
                            visitor: number,
                            io,
                            request,
                        }),
                    );
                }
                Output::Io(io, IoRequest::WebSocket(request)) => {
                    let frames = request
                        .protocols
                        .iter()
                        .find_map(|protocol| protocol.strip_prefix("dl."))
                        .and_then(|value| URL_SAFE_NO_PAD.decode(value).ok())
                        .unwrap_or_default();
                    let frames = String::from_utf8_lossy(&frames).into_owned();
                    let at = self.now + self.crowd.one_way * self.connect(number);
                    let carrier = Carrier::WebSocket;
                    let request = Request { frames, carrier };
                    self.plan(
                        at,
                        Action::Request(Job {
                            visitor: number,
                            io,
                            request,
                        }),
                    );
                }
                Output::Io(io, IoRequest::Cancel) => {
                    self.visitors[number].asking.remove(&io);
                    self.server.open.remove(&(number, io));
                }
                Output::Io(io, IoRequest::Close(_)) => {
                    self.server.open.remove(&(number, io));
                }
                Output::Io(_, IoRequest::Send(_)) => {}
                Output::Notice(Notice::Delivery(_, Delivery::Event(_))) => self.serve(number),
                Output::Notice(_) => {}
            }
        }
        let next = self.visitors[number].client.poll_timeout();
        let next = next.map(|at| at.since_epoch().max(self.now));
        if self.visitors[number].timer != next {
            self.visitors[number].timer = next;
            if let Some(at) = next {
                self.plan(at, Action::Timer(number));
            }
        }
    }

    /// Opens a TCP connection, which costs a round trip before the first request; returns how many ways that makes.
    fn connect(&mut self, number: usize) -> u32 {
        self.connections += 1;
        let visitor = &mut self.visitors[number];
        if !visitor.has_event {
            self.connections_before += 1;
        }
        if self.died.is_some() {
            visitor.came_back.get_or_insert(self.now);
        }

        3
    }

    fn serve(&mut self, number: usize) {
        let visitor = &mut self.visitors[number];
        if !visitor.has_event {
            visitor.has_event = true;
            self.served += 1;
            self.last_served = self.now;
        }
    }
}

const BEAT: Duration = Duration::from_secs(5);
const HOLD: Duration = Duration::from_secs(15);
