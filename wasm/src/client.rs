//! The client that JavaScript sees.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use downlink_core::{
    Client as Core, Command, Config, Cursor, Hint, Notice, Start, SubscriptionId, TransportKind,
    protocol::Downlink,
};
use downlink_driver::Platform as _;
use futures_util::{FutureExt, StreamExt};
use js_sys::{Array, Promise, futures};
use wasm_bindgen::prelude::*;

use crate::{mailbox::Mailbox, notice, platform::BrowserPlatform};

/// One logical link to one server.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Client {
    commands: Mailbox<Command>,
    notices: Mailbox<Notice>,
    next_subscription: u64,
}

#[wasm_bindgen]
impl Client {
    /// Makes a client for the server at `url`: absolute, `http` or `https`.
    ///
    /// `transports` are names, joined by commas, `opening` whether to open with a short poll, `memory` what an earlier
    /// client said of the network.
    ///
    /// # Errors
    /// If there is no entropy, or no such transport.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: String,
        transports: Option<String>,
        opening: Option<bool>,
        memory: Option<String>,
    ) -> Result<Self, JsError> {
        let mut config = Config::new(url, Downlink);
        config.opening = opening.unwrap_or(config.opening);
        config.memory = memory;
        if let Some(names) = transports {
            let kinds = names.split(',').map(str::parse);
            config.transports = kinds.collect::<Result<Vec<TransportKind>, _>>()?;
        }
        let mut seed = [0; 32];
        get_random_values(&mut seed).map_err(|_| JsError::new("there is no entropy"))?;
        let platform = BrowserPlatform::default();
        let unix = Duration::from_micros((js_sys::Date::now() * 1000.0) as u64);
        let core = Core::new(config, seed, unix, platform.now());

        let (commands, notices) = (Mailbox::default(), Mailbox::default());
        futures::spawn_local({
            let (commands, notices) = (commands.clone(), notices.clone());
            async move {
                let sink = |batch: &mut Vec<Notice>| {
                    batch.drain(..).for_each(|notice| notices.push(notice));
                };
                downlink_driver::run(core, platform, commands, sink).await;
                notices.close();
            }
        });

        Ok(Self {
            commands,
            notices,
            next_subscription: 1,
        })
    }

    /// Subscribes to `channel` and returns the subscription's number.
    ///
    /// `start` is a cursor, `earliest`, `last:10` or `since:60`, in seconds; nothing means from now on.
    ///
    /// # Errors
    /// If `start` is none of these.
    pub fn subscribe(
        &mut self,
        channel: String,
        start: Option<String>,
        snapshot: Option<bool>,
    ) -> Result<f64, JsError> {
        let start = match start {
            Some(text) => parse_start(&text)?,
            None => Start::Now,
        };
        let number = self.next_subscription;
        self.next_subscription += 1;
        self.commands.push(Command::Subscribe {
            subscription: SubscriptionId::new(number),
            channel: channel.into(),
            start,
            snapshot: snapshot.unwrap_or(false),
        });

        Ok(number as f64)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, subscription: f64) {
        self.commands.push(Command::Unsubscribe(id(subscription)));
    }

    /// Says that all deliveries of a subscription up to this cursor are finished: room for more.
    pub fn finished(&self, subscription: f64, cursor: &str) -> Result<(), JsError> {
        self.commands.push(Command::Finished {
            subscription: id(subscription),
            cursor: cursor.parse()?,
        });

        Ok(())
    }

    /// Answers a notice of the kind `snapshot`: the cursor behind the state, or nothing if there is none yet.
    pub fn snapshot(&self, subscription: f64, cursor: Option<String>) -> Result<(), JsError> {
        self.commands.push(Command::Snapshot {
            subscription: id(subscription),
            cursor: cursor.map(|cursor| cursor.parse()).transpose()?,
        });

        Ok(())
    }

    /// Connects although nothing is subscribed yet.
    pub fn connect(&self) {
        self.commands.push(Command::Connect);
    }

    /// Says that the network is there again.
    pub fn online(&self) {
        self.commands.push(Command::Hint(Hint::Online));
    }

    /// Returns all notices that wait, at least one; `undefined` after the last. To be asked once at a time.
    pub fn next(&self) -> Promise {
        let mut notices = self.notices.clone();

        futures::future_to_promise(async move {
            let Some(first) = notices.next().await else {
                return Ok(JsValue::UNDEFINED);
            };
            let batch = Array::of(&[notice::convert(&first)]);
            while let Some(Some(next)) = notices.next().now_or_never() {
                batch.push(&notice::convert(&next));
            }

            Ok(batch.into())
        })
    }

    /// Ends the client and all its I/O.
    pub fn close(&self) {
        self.commands.close();
    }
}

/// Nobody is left who could ask for anything.
impl Drop for Client {
    fn drop(&mut self) {
        self.commands.close();
    }
}

fn parse_start(text: &str) -> Result<Start, JsError> {
    let start = match text.split_once(':') {
        None if text == "earliest" => Start::Earliest,
        Some(("last", count)) => Start::Last(count.parse()?),
        Some(("since", seconds)) => Start::Since(Duration::from_secs(seconds.parse()?)),
        Some(_) | None => Start::After(text.parse::<Cursor>()?),
    };

    Ok(start)
}

/// JavaScript's numbers hold what an id may be.
fn id(subscription: f64) -> SubscriptionId {
    SubscriptionId::new(subscription as u64)
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]) -> Result<(), JsValue>;
}
