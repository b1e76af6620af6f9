//! Payloads as JSON.

use std::sync::Arc;

use downlink_core::{Ack, Event, Member};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Error;

use crate::{Client, Publishing, Tracking};

/// What carries a payload that can be read as JSON.
///
/// ```
/// # async fn example(mut room: downlink::Subscription) -> Result<(), Box<dyn std::error::Error>> {
/// use downlink::{Delivery, Json};
/// use futures_util::StreamExt;
///
/// #[derive(serde::Deserialize)]
/// struct Said {
///     who: String,
///     text: String,
/// }
///
/// while let Some(delivery) = room.next().await {
///     if let Delivery::Event(event) = delivery? {
///         let Said { who, text } = event.json()?;
///         println!("{who}: {text}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub trait Json {
    /// Returns the payload.
    fn bytes(&self) -> &[u8];

    /// Reads the payload.
    ///
    /// # Errors
    /// If it is no JSON, or not of this shape. An empty payload is no JSON.
    fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.bytes())
    }
}

impl Json for Ack {
    fn bytes(&self) -> &[u8] {
        &self.data
    }
}

impl Json for Event {
    fn bytes(&self) -> &[u8] {
        &self.data
    }
}

impl Json for Member {
    fn bytes(&self) -> &[u8] {
        &self.data
    }
}

impl Client {
    /// Publishes `value` as JSON; see [`Client::publish`].
    ///
    /// # Errors
    /// If it cannot be written as JSON; nothing is published then.
    pub fn publish_json(
        &self,
        channel: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Publishing, Error> {
        Ok(self.publish(channel, name, serde_json::to_vec(value)?))
    }

    /// Lets this client be seen with `value` as JSON; see [`Client::track`].
    ///
    /// # Errors
    /// If it cannot be written as JSON; nothing is said then.
    pub fn track_json(
        &self,
        channel: impl Into<Arc<str>>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Tracking, Error> {
        Ok(self.track(channel, serde_json::to_vec(value)?))
    }
}
