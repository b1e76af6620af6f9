//! Everything together, on one clock.

mod act;
mod carry;
mod reach;
mod settle;
mod two_way;

use std::time::Duration;

use downlink_core::{
    Client, Command, Config, IoEvent, IoId, Output, TransportKind, protocol::Downlink,
};

use crate::{
    adapter::{self, Told},
    app::App,
    chance::Chance,
    coverage::Coverage,
    fault::Fault,
    model::Model,
    network::Network,
    queue::{Happening, Queue},
    rule::{Broken, Rule},
    schedule::Setup,
    server::{Servers, UNIX},
    timeline::Timeline,
};

/// One run.
pub(crate) struct World {
    pub(crate) now: u64,
    client: Client,
    app: App,
    model: Model,
    servers: Servers,
    network: Network,
    queue: Queue,
    chance: Chance,
    /// The device sleeps: what comes to the client comes later.
    sleeps: bool,
    late: Vec<Happening>,
    /// What a partition keeps back.
    parked: Vec<Happening>,
    /// Timeouts handled since time went on.
    timeouts: u32,
    hides: bool,
    shreds: bool,
    closed_at: Option<u64>,
    pub(crate) coverage: Coverage,
    pub(crate) timeline: Timeline,
}

impl World {
    pub(crate) fn new(setup: &Setup, timeline: Timeline) -> Self {
        let mut chance = Chance::new(setup.seed);
        let mut config = Config::new(URL, Downlink);
        let kinds = setup.transports.iter().filter_map(|name| name.parse().ok());
        let kinds: Vec<TransportKind> = kinds.collect();
        if !kinds.is_empty() {
            config.transports = kinds;
        }
        config.opening = setup.opening;
        config.queue_count = setup.queue_count.max(1);
        config.memory = setup
            .remembers
            .as_ref()
            .map(|name| format!("{ORIGIN}\t\t{name}\t80\t99999999999\n"));
        let mut seed = [0; 32];
        for byte in &mut seed {
            *byte = u8::try_from(chance.below(256)).unwrap_or(0);
        }
        config.member = Some("me".into());
        config.token_provider = setup.ttl.is_some();
        config.credential_provider = true;
        if setup.outbox_age > 0 {
            config.outbox_age = Duration::from_millis(setup.outbox_age.into());
        }
        let mut queue = Queue::default();
        if setup.lease > 0 {
            queue.add(u64::from(setup.lease) / 4, Happening::Sweep);
        }
        let model = Model::new(config.queue_count, config.queue_bytes);
        let unix = Duration::from_millis(UNIX);

        Self {
            now: 0,
            client: Client::new(config, seed, unix, adapter::instant(0)),
            app: App::default(),
            model,
            servers: Servers::new(setup),
            network: Network::new(setup.latency, setup.jitter),
            queue,
            chance,
            sleeps: false,
            late: Vec::new(),
            parked: Vec::new(),
            timeouts: 0,
            hides: setup.hides,
            shreds: setup.shreds,
            closed_at: None,
            coverage: Coverage::default(),
            timeline,
        }
    }

    /// Lets time pass, with all that happens in it.
    pub(crate) fn pass(&mut self, ms: u64) -> Result<(), Broken> {
        let end = self.now + ms;
        loop {
            let timeout = match self.client.poll_timeout() {
                Some(at) if !self.sleeps => Some(adapter::millisecond(at).max(self.now)),
                Some(_) | None => None,
            };
            let next = self.queue.next_at().map(|at| at.max(self.now));
            let is_timeout = match (timeout, next) {
                (Some(timeout), Some(next)) => timeout <= next,
                (timeout, _) => timeout.is_some(),
            };
            let Some(at) = (if is_timeout { timeout } else { next }).filter(|at| *at <= end) else {
                break;
            };
            self.go_to(at);
            if is_timeout {
                self.time_out()?;
            } else if let Some(happening) = self.queue.pop() {
                self.happen(happening)?;
            }
        }
        self.go_to(end);

        Ok(())
    }

    fn go_to(&mut self, at: u64) {
        if self.now < at {
            self.now = at;
            self.servers.clock = at;
            self.timeouts = 0;
        }
    }

    fn time_out(&mut self) -> Result<(), Broken> {
        self.timeouts += 1;
        if self.timeouts > MOST_TIMEOUTS {
            let detail = format!("{MOST_TIMEOUTS} timeouts while no time passes");
            return Err(Broken::new(Rule::HotLoop, detail));
        }
        self.coverage.timeouts += 1;
        self.client.handle_timeout(adapter::instant(self.now));

        self.drain()
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        let is_parted = self.network.suffers(Fault::Partition, self.now) || !self.parked.is_empty();
        match happening {
            // What comes behind something that is kept back is kept back too.
            Happening::Arrive(..) | Happening::Hear(..) | Happening::Request(_) if is_parted => {
                self.parked.push(happening);
            }
            Happening::Arrive(..)
            | Happening::Credential(..)
            | Happening::Read(_)
            | Happening::Snapshot(_)
            | Happening::Token
                if self.sleeps =>
            {
                self.late.push(happening);
            }
            Happening::Arrive(io, down) => return self.arrive(io, down),
            Happening::Cut(io) => self.cut(io),
            Happening::Drained(instance, away) => {
                self.servers.go_down(instance, self.now + away, false);
                self.network.close_idle(instance, true);
            }
            Happening::Heal => return self.heal(),
            Happening::Hear(io, bytes, sent) => self.hear(io, bytes, sent),
            Happening::Read(id) => return self.read(id),
            Happening::Request(io) => self.reach(io),
            Happening::See(instance, channel, place) => {
                if self.servers.channels[channel].current() == place.log {
                    self.servers.see(instance, channel, place.seq, self.now);
                }
            }
            Happening::Credential(channel, challenge) => {
                return self.give_credential(channel, &challenge);
            }
            Happening::Snapshot(id) => return self.answer_snapshot(id),
            Happening::Sweep => {
                self.servers.sweep(self.now);
                let period = self.servers.session.lease / 4;
                self.queue.add(self.now + period, Happening::Sweep);
            }
            Happening::Token => return self.give_token(),
            Happening::Wake(io) => self.servers.wake(io, self.now),
        }
        self.carry_down();

        Ok(())
    }

    /// Puts a command to the client.
    fn command(&mut self, command: Command) -> Result<(), Broken> {
        self.timeline
            .note(self.now, || format!("app:    {command:?}"));
        self.client
            .handle_command(command, adapter::instant(self.now));

        self.drain()
    }

    /// Tells the client of its I/O.
    fn tell(&mut self, io: IoId, event: IoEvent) -> Result<(), Broken> {
        self.coverage.inputs += 1;
        self.client.handle_io(io, event, adapter::instant(self.now));

        self.drain()
    }

    /// Does what the client puts out.
    fn drain(&mut self) -> Result<(), Broken> {
        let (mut requests, mut notices) = (0_u32, 0_u32);
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Io(io, request) => {
                    requests += 1;
                    self.perform(io, request)?;
                }
                Output::Notice(notice) => {
                    notices += 1;
                    self.on_told(adapter::told(notice))?;
                }
            }
            if requests > MOST_REQUESTS || notices > MOST_NOTICES {
                let detail = format!("{requests} requests and {notices} notices at once");
                return Err(Broken::new(Rule::HotLoop, detail));
            }
        }
        self.carry_down();
        if let Some(complaint) = self.servers.complaint.take() {
            return Err(complaint);
        }

        self.check_end()
    }

    fn on_told(&mut self, told: Told) -> Result<(), Broken> {
        self.timeline.note(self.now, || format!("told:   {told:?}"));
        self.model.on_told(&told, &self.servers, self.now)?;
        self.coverage.count_two_way(&told);
        match told {
            Told::Delivery(id, delivery) => {
                self.coverage.count_delivery(&delivery);
                let Some(subscription) = self.app.subscription(id) else {
                    return Ok(());
                };
                subscription.unfinished.push(adapter::unfinished(&delivery));
                self.plan_read(id);
            }
            Told::Ended(id, _) => self.app.remove(id),
            Told::Snapshot(id) => self.plan_snapshot(id),
            Told::State(state) => self.coverage.count_state(&state),
            Told::Trial(trial) => self.coverage.count_trial(&trial),
            Told::Token(_) => self.plan_answer(Happening::Token),
            Told::Credential(channel, challenge) => {
                let channels = &self.servers.channels;
                if let Some(at) = channels.iter().position(|it| *it.name == *channel) {
                    self.plan_answer(Happening::Credential(at, challenge));
                }
            }
            Told::Nothing
            | Told::Presence(..)
            | Told::PresenceEnded(_)
            | Told::Published(..)
            | Told::Tracked(_)
            | Told::Untracked(_) => {}
        }

        Ok(())
    }

    /// A client that has ended holds nothing.
    pub(super) fn check_end(&mut self) -> Result<(), Broken> {
        if self.client.is_closed() {
            let open = self.network.links.len();
            let timeout = self.client.poll_timeout();
            let closed_at = *self.closed_at.get_or_insert(self.now);
            // It may tell the servers that it goes.
            let is_due = timeout.is_some_and(|at| adapter::millisecond(at) <= self.now);
            let is_leaving = (is_due || self.now <= closed_at + FAREWELL) && open <= 1;
            if !is_leaving && (open > 0 || timeout.is_some()) {
                let detail = format!("{open} I/Os, and a timer at {timeout:?}");
                return Err(Broken::new(Rule::Leak, detail));
            }
        }

        Ok(())
    }

    pub(crate) fn count_step(&mut self) {
        let faults = self.network.faults(self.now);
        self.coverage.count_step(faults, self.client.state());
    }
}

const ORIGIN: &str = "https://sim.example";
const URL: &str = "https://sim.example/downlink";
/// How long a client may try to say that it goes.
const FAREWELL: u64 = 2_000;
const MOST_TIMEOUTS: u32 = 100;
const MOST_REQUESTS: u32 = 64;
const MOST_NOTICES: u32 = 20_000;
