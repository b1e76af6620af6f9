//! Plays a capture through codecs.

use std::{collections::BTreeMap, fmt::Write as _};

use downlink_core::{IoEvent, Payload, TransportKind, protocol::Protocol};

use crate::{
    client::Client,
    transcript::{Http, Side, Step, Transcript, What},
};

/// What a protocol's captures need to be played.
pub(crate) trait Script {
    fn protocol(&self) -> Box<dyn Protocol>;

    /// Which client of ours makes this connection of the capture: a number of the script's choice, the client's URL and the
    /// transport; `None`: it would not make such a one.
    fn client(&self, connection: u32, request: &Http) -> Option<(u32, String, TransportKind)>;

    /// Whether a client of ours asks for this where the capture's asks for that.
    fn is_same_target(&self, capture: &str, ours: &str) -> bool;

    /// Why a client of ours says what the capture's says here.
    fn cause(&mut self, frame: &[u8]) -> Cause;

    /// The fields of a frame that may differ, and the rest of it, which may not.
    fn split(&self, frame: &[u8]) -> (Vec<String>, Vec<u8>);

    /// Puts a frame of the server together again, with our client's fields.
    fn translate(&self, frame: &[u8], field: &dyn Fn(&str) -> String) -> Vec<u8>;

    /// The frames in the body of a request.
    fn frames(&self, body: &[u8]) -> Vec<Vec<u8>>;

    /// An answer's body with its frames replaced; `None`: a client of ours is not to hear it.
    fn replace_frames(
        &self,
        answer: &Http,
        replace: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> Option<Vec<u8>>;

    /// What the server would answer to a frame that only our client says; `None`: it may not say it.
    fn extra(&self, frame: &[u8]) -> Option<Option<Vec<u8>>>;
}

/// Why a client says something.
pub(crate) enum Cause {
    /// It leaves a channel and comes back.
    Again(String),
    /// A client of ours would not say it.
    Never,
    Probe,
    Publish {
        channel: String,
        name: String,
        data: Vec<u8>,
    },
    Subscribe(String),
    Unsubscribe(String),
    /// Its own clock.
    Waits,
}

pub(crate) struct Player {
    script: Box<dyn Script>,
    clients: BTreeMap<u32, Client>,
    /// Which client of ours a connection of the capture belongs to, and on which of its lanes it is.
    connections: BTreeMap<u32, (u32, u64)>,
    facts: String,
}

impl Player {
    pub(crate) fn new(script: Box<dyn Script>) -> Self {
        Self {
            script,
            clients: BTreeMap::new(),
            connections: BTreeMap::new(),
            facts: String::new(),
        }
    }

    /// Returns what the clients learnt.
    pub(crate) fn play(mut self, transcript: &Transcript) -> String {
        for step in &transcript.steps {
            match (step.side, &step.what) {
                (Side::Client, What::Http(request)) => self.on_request(step, request),
                (
                    Side::Client | Side::Server,
                    What::Close(_) | What::End | What::Http(_) | What::Message(_),
                ) => self.on_step(step),
            }
            for (number, client) in &mut self.clients {
                for fact in client.take_facts() {
                    writeln!(self.facts, "{number} {fact}").unwrap();
                }
            }
        }

        self.facts
    }

    fn on_request(&mut self, step: &Step, request: &Http) {
        let Some((number, url, transport)) = self.script.client(step.connection, request) else {
            return;
        };
        let protocol = self.script.protocol();
        let client = self
            .clients
            .entry(number)
            .or_insert_with(|| Client::open(&*protocol, &url, transport, step.at));
        client.move_to(step.at);
        if let Some(lane) = client.ask(request, &mut *self.script) {
            self.connections.insert(step.connection, (number, lane));
        }
    }

    fn on_step(&mut self, step: &Step) {
        let Some((number, lane)) = self.connections.get(&step.connection).copied() else {
            return;
        };
        let client = self.clients.get_mut(&number).unwrap();
        client.move_to(step.at);
        match (step.side, &step.what) {
            (Side::Client, What::Message(frame)) => client.say(lane, frame, &mut *self.script),
            (Side::Client, What::Close(_)) => {
                client.settle_extras(lane, &*self.script);
                self.connections.remove(&step.connection);
            }
            (Side::Client | Side::Server, What::End) | (Side::Client, What::Http(_)) => {}
            (Side::Server, What::Close(code)) => {
                client.settle_extras(lane, &*self.script);
                client.hear(lane, IoEvent::Finished(Ok(*code)));
            }
            (Side::Server, What::Http(answer)) => client.hear_answer(lane, answer, &*self.script),
            (Side::Server, What::Message(frame)) => {
                client.settle_extras(lane, &*self.script);
                let frame = client.translate(frame, &*self.script);
                client.hear(lane, IoEvent::Received(Payload::from(frame)));
            }
        }
    }
}
