//! One client of ours in a capture.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::Duration,
};

use downlink_core::{
    Head, HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, PublishId, Reason, Reuse,
    Role, Start, TransportKind,
    protocol::{
        Codec, Fact, FeedId, Intent, Interest, Lane, Message, Out, Outgoing, Plan, Protocol,
        Uptake, Wanted,
    },
};

use crate::{
    player::{Cause, Script},
    transcript::Http,
};

pub(crate) struct Client {
    codec: Box<dyn Codec>,
    out: Out,
    now: Instant,
    /// How much later it is here than in the capture.
    skew: Duration,
    wake: Option<Instant>,
    is_over: bool,
    /// What is awaited on which lane.
    awaited: BTreeMap<u64, IoRequest>,
    /// Messages on a WebSocket that the capture's client has not said yet.
    sent: VecDeque<Vec<u8>>,
    /// Fields of the capture, and what our client has in their place.
    fields: BTreeMap<String, String>,
    feeds: Vec<(FeedId, String)>,
    publishes: u64,
    facts: Vec<String>,
}

impl Client {
    pub(crate) fn open(
        protocol: &dyn Protocol,
        url: &str,
        transport: TransportKind,
        at: Duration,
    ) -> Self {
        let codec = protocol.open(Plan {
            url,
            transport,
            role: Role::Start,
            is_spare: false,
            wanted: &[],
            ticket: None,
            log: &"log".into(),
            session: &[0; 16],
            token: None,
            reuse: Reuse::Any,
            stream: None,
            max_payload: 1 << 20,
        });
        let mut client = Self {
            codec,
            out: Out::default(),
            now: EPOCH + at,
            skew: Duration::ZERO,
            wake: None,
            is_over: false,
            awaited: BTreeMap::new(),
            sent: VecDeque::new(),
            fields: BTreeMap::new(),
            feeds: Vec::new(),
            publishes: 0,
            facts: Vec::new(),
        };
        client.run(|codec, out, now| {
            codec.handle_open(out, now);
            Ok(())
        });

        client
    }

    pub(crate) fn take_facts(&mut self) -> Vec<String> {
        mem::take(&mut self.facts)
    }

    /// It is as late as in the capture.
    pub(crate) fn move_to(&mut self, at: Duration) {
        self.pass_to(EPOCH + at + self.skew);
    }

    /// The capture's client asks for this: so does ours. Returns on which lane, unless it would never.
    pub(crate) fn ask(&mut self, request: &Http, script: &mut dyn Script) -> Option<u64> {
        let frames = script.frames(&request.body);
        if !frames.is_empty() {
            let causes: Vec<_> = frames.iter().map(|frame| script.cause(frame)).collect();
            if causes.iter().all(|cause| matches!(cause, Cause::Never)) {
                return None;
            }
            causes.into_iter().for_each(|cause| self.act(cause));
            self.pass_to(self.now);
        }
        let is_upgrade = request.header("upgrade").is_some();
        let (lane, ours) = self
            .awaited
            .iter()
            .find(|(_, ours)| match ours {
                IoRequest::Http(ours) => !is_upgrade && method(ours.method) == request.word(0),
                IoRequest::WebSocket(_) => is_upgrade,
                IoRequest::Cancel | IoRequest::Close(_) | IoRequest::Send(_) => false,
            })
            .map(|(lane, ours)| (*lane, ours.clone()))
            .unwrap_or_else(|| panic!("asks for nothing: {}", request.first));
        let url = match &ours {
            IoRequest::Http(HttpRequest {
                url, body, headers, ..
            }) => {
                let ours = script.frames(body);
                assert_eq!(
                    ours.len(),
                    frames.len(),
                    "{}",
                    String::from_utf8_lossy(body)
                );
                for (capture, ours) in frames.iter().zip(&ours) {
                    self.bind(capture, ours, script);
                }
                if !frames.is_empty() {
                    let kind = headers.iter().find(|(name, _)| name == "content-type");
                    let kind = kind.map(|(_, kind)| kind.as_str());
                    assert_eq!(kind, request.header("content-type"));
                }
                url.clone()
            }
            IoRequest::WebSocket(request) => request.url.clone(),
            IoRequest::Cancel | IoRequest::Close(_) | IoRequest::Send(_) => unreachable!(),
        };
        let target = url.splitn(4, '/').nth(3).unwrap();
        let captured = request.word(1).trim_start_matches('/');
        assert!(
            script.is_same_target(captured, target),
            "{captured}\n{target}"
        );

        Some(lane)
    }

    /// The capture's client says this: so does ours.
    pub(crate) fn say(&mut self, lane: u64, frame: &[u8], script: &mut dyn Script) {
        if self.is_over {
            return;
        }
        if !self.is_next(frame, script) {
            self.settle_extras(lane, script);
            match script.cause(frame) {
                Cause::Never => return,
                Cause::Waits => self.wait_for(lane, frame, script),
                cause => self.act(cause),
            }
            while !self.sent.is_empty() && !self.is_next(frame, script) {
                self.settle_extra(lane, script);
            }
        }
        let ours = self.sent.pop_front();
        let ours =
            ours.unwrap_or_else(|| panic!("does not say {}", String::from_utf8_lossy(frame)));
        self.bind(frame, &ours, script);
    }

    /// What ours said and the capture's client did not is answered by the script.
    pub(crate) fn settle_extras(&mut self, lane: u64, script: &dyn Script) {
        while !self.sent.is_empty() {
            self.settle_extra(lane, script);
        }
    }

    pub(crate) fn hear(&mut self, lane: u64, event: IoEvent) {
        if let IoEvent::Finished(_) = event {
            self.awaited.remove(&lane);
        }
        self.run(|codec, out, now| codec.handle_lane(Lane(lane), event, out, now));
    }

    pub(crate) fn hear_answer(&mut self, lane: u64, answer: &Http, script: &dyn Script) {
        let status = answer.word(1).parse().unwrap();
        let head = Head {
            status,
            headers: Vec::new(),
        };
        let fields = self.fields.clone();
        let body = script.replace_frames(answer, &mut |frame| translate(frame, &fields, script));
        let Some(body) = body else {
            return;
        };
        self.hear(lane, IoEvent::Opened(head));
        if status != 101 {
            self.hear(lane, IoEvent::Received(Payload::from(body)));
            self.hear(lane, IoEvent::Finished(Ok(None)));
        }
    }

    pub(crate) fn translate(&self, frame: &[u8], script: &dyn Script) -> Vec<u8> {
        translate(frame, &self.fields, script)
    }

    fn is_next(&self, frame: &[u8], script: &dyn Script) -> bool {
        self.sent
            .front()
            .is_some_and(|ours| script.split(ours).1 == script.split(frame).1)
    }

    fn settle_extra(&mut self, lane: u64, script: &dyn Script) {
        let Some(frame) = self.sent.pop_front() else {
            return;
        };
        let answer = script.extra(&frame);
        let answer = answer.unwrap_or_else(|| panic!("says {}", String::from_utf8_lossy(&frame)));
        if let Some(answer) = answer {
            self.hear(lane, IoEvent::Received(Payload::from(answer)));
        }
    }

    /// Two frames are the same but for some fields, which stand for each other from here on.
    fn bind(&mut self, capture: &[u8], ours: &[u8], script: &dyn Script) {
        let (captured, captured_rest) = script.split(capture);
        let (fields, rest) = script.split(ours);
        assert_eq!(
            String::from_utf8_lossy(&captured_rest),
            String::from_utf8_lossy(&rest)
        );
        for (captured, field) in captured.into_iter().zip(fields) {
            let bound = self.fields.entry(captured).or_insert_with(|| field.clone());
            assert_eq!(*bound, field, "{}", String::from_utf8_lossy(ours));
        }
    }

    /// Lets its clock come to where it says this.
    fn wait_for(&mut self, lane: u64, frame: &[u8], script: &dyn Script) {
        let began = self.now;
        while !self.is_next(frame, script) {
            self.settle_extras(lane, script);
            self.pass_to(self.wake.expect("it waits for something"));
        }
        self.skew += self.now.since(began);
    }

    fn act(&mut self, cause: Cause) {
        match cause {
            Cause::Again(channel) => {
                self.unsubscribe(&channel);
                self.subscribe(channel);
            }
            Cause::Never | Cause::Waits => {}
            Cause::Probe => self.tell(Intent::Probe),
            Cause::Publish {
                channel,
                name,
                data,
            } => {
                self.publishes += 1;
                let message = Message {
                    id: PublishId::new(self.publishes),
                    channel: channel.into(),
                    name: name.into(),
                    data: Payload::from(data),
                };
                self.tell(Intent::Publish(&[Outgoing {
                    message,
                    number: self.publishes,
                    is_again: false,
                }]));
            }
            Cause::Subscribe(channel) => self.subscribe(channel),
            Cause::Unsubscribe(channel) => self.unsubscribe(&channel),
        }
    }

    fn subscribe(&mut self, channel: String) {
        let feed = FeedId::new(self.feeds.len() as u64 + 1);
        let wanted = Wanted {
            interest: Interest::Events,
            feed,
            channel: channel.as_str().into(),
            start: Start::Now,
            credential: None,
        };
        self.feeds.push((feed, channel));
        self.tell(Intent::Subscribe(&[wanted]));
    }

    fn unsubscribe(&mut self, channel: &str) {
        let of_channel = |(_, other): &&(FeedId, String)| other == channel;
        let (feed, _) = self.feeds.iter().rfind(of_channel).unwrap();
        let feed = *feed;
        self.tell(Intent::Unsubscribe(&[feed]));
    }

    fn tell(&mut self, intent: Intent<'_>) {
        self.run(|codec, out, now| {
            assert_eq!(codec.handle_intent(intent, out, now), Uptake::Taken);
            Ok(())
        });
    }

    fn pass_to(&mut self, end: Instant) {
        while let Some(at) = self.wake.take_if(|at| *at <= end) {
            self.now = self.now.max(at);
            self.run(|codec, out, now| codec.handle_timeout(out, now));
        }
        self.now = self.now.max(end);
    }

    fn run(&mut self, run: impl FnOnce(&mut dyn Codec, &mut Out, Instant) -> Result<(), Reason>) {
        if self.is_over {
            return;
        }
        let result = run(&mut *self.codec, &mut self.out, self.now);
        for (Lane(lane), request) in self.out.requests.drain(..) {
            match request {
                IoRequest::Cancel | IoRequest::Close(_) => {
                    self.awaited.remove(&lane);
                }
                IoRequest::Http(_) | IoRequest::WebSocket(_) => {
                    self.awaited.insert(lane, request);
                }
                IoRequest::Send(frame) => self.sent.push_back(frame.to_vec()),
            }
        }
        self.wake = self.out.wake.take().or(self.wake);
        for fact in mem::take(&mut self.out.facts) {
            let fact = self.short(fact);
            self.facts.push(fact);
        }
        if let Err(reason) = result {
            self.is_over = true;
            self.wake = None;
            self.facts.push(format!("ended: {reason:?}"));
        }
    }

    fn short(&self, fact: Fact) -> String {
        let channel = |feed: FeedId| {
            let of_feed = |(other, _): &&(FeedId, String)| *other == feed;
            self.feeds.iter().find(of_feed).unwrap().1.as_str()
        };
        match fact {
            Fact::Event {
                feed, name, data, ..
            } => format!("{} event {name} {}", channel(feed), show(&data)),
            Fact::Gap {
                feed,
                to,
                certainty,
                ..
            } => {
                format!("{} gap {to} {certainty:?}", channel(feed))
            }
            Fact::Published { id, result } => {
                let result = result.map(|reply| show(&reply));
                format!("published {} {result:?}", id.number())
            }
            Fact::Refused { feed, reason } => format!("{} refused {reason:?}", channel(feed)),
            Fact::Subscribed { feed, at } => format!("{} subscribed {at}", channel(feed)),
            other => format!("{other:?}"),
        }
    }
}

fn translate(frame: &[u8], fields: &BTreeMap<String, String>, script: &dyn Script) -> Vec<u8> {
    // What our client never said is no number of its either.
    let unbound = |field: &str| format!("not-{field}");

    script.translate(frame, &|field| {
        fields.get(field).cloned().unwrap_or_else(|| unbound(field))
    })
}

fn show(data: &[u8]) -> String {
    match str::from_utf8(data) {
        Ok(text) if !text.contains(char::is_control) => text.into(),
        Ok(_) | Err(_) => format!("{data:02x?}"),
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Options => "OPTIONS",
        Method::Post => "POST",
    }
}

const EPOCH: Instant = Instant::new(Duration::from_secs(1_000));
