use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the hop does to the connections that go through it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct Plan {
    /// How long bytes travel between the client and the hop.
    pub latency: Latency,
    /// What happens to requests that upgrade to a WebSocket.
    pub websocket: Fault,
    /// What happens to all other requests.
    pub http: Fault,
}

impl Plan {
    pub(crate) fn fault(&self, kind: Kind) -> Fault {
        match kind {
            Kind::Http => self.http,
            Kind::Websocket => self.websocket,
        }
    }

    pub(crate) fn refuses_every_connection(&self) -> bool {
        self.http == Fault::RefuseConnection && self.websocket == Fault::RefuseConnection
    }
}

/// How long bytes travel between the client and the hop.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct Latency {
    /// The time each byte takes, each way.
    #[serde(with = "milliseconds")]
    pub one_way: Duration,
    /// The most that is added to it at random; bytes never overtake each other.
    #[serde(with = "milliseconds")]
    pub jitter: Duration,
    /// Whether the first bytes of a connection take one more round trip, which stands for TCP's handshake.
    pub handshake: bool,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    #[default]
    Pass,
    /// Requests are answered with this status by the hop itself.
    Refuse(u16),
    /// The connection is reset as soon as it is known what it asks for.
    RefuseConnection,
    /// Requests are read and never answered, nor passed on.
    Blackhole,
    /// The head of the response passes, then nothing more; the connection stays open.
    MuteAfterHead,
    /// The head and the first chunk or message pass, then nothing more; the connection stays open.
    MuteAfterFrame,
    /// The connection is reset a random time after it carried the first bytes of a body.
    Flap {
        /// The shortest life.
        #[serde(with = "milliseconds")]
        min: Duration,
        /// The longest life.
        #[serde(with = "milliseconds")]
        max: Duration,
    },
    /// Bodies are held back until they end, or in lots of 1 MiB.
    Buffer,
    /// The connection is reset this long after its first request.
    CutEvery(#[serde(with = "milliseconds")] Duration),
    /// Neither bytes nor the end of the connection pass any more, either way; both sides stay open.
    HalfOpen {
        /// How long after the first request this begins.
        #[serde(with = "milliseconds")]
        after: Duration,
    },
    /// The response is cut off.
    Truncate(Strike),
    /// Requests are answered with bytes that are no protocol, behind a head that looks fine.
    Garbage,
}

/// Where a response is cut off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strike {
    /// When the upstream has answered, before anything of it passes.
    BeforeHead,
    /// Halfway in the head.
    InHead,
    /// Halfway in the second chunk or message of the connection.
    InFrame,
    /// After the first byte of the first character that has several.
    InCharacter,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Http,
    Websocket,
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Ok(Duration::from_millis(u64::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_travels_as_json() {
        let plan = Plan {
            latency: Latency {
                one_way: Duration::from_millis(50),
                jitter: Duration::ZERO,
                handshake: true,
            },
            websocket: Fault::Flap {
                min: Duration::from_millis(10),
                max: Duration::from_millis(20),
            },
            http: Fault::Truncate(Strike::InHead),
        };

        let json = serde_json::to_string(&plan).unwrap();

        assert_eq!(
            json,
            r#"{"latency":{"one_way":50,"jitter":0,"handshake":true},"websocket":{"flap":{"min":10,"max":20}},"http":{"truncate":"in_head"}}"#
        );
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn what_a_plan_leaves_out_is_harmless() {
        let plan = serde_json::from_str::<Plan>(r#"{"http":{"cut_every":1000}}"#).unwrap();

        assert_eq!(
            plan,
            Plan {
                http: Fault::CutEvery(Duration::from_secs(1)),
                ..Plan::default()
            }
        );
    }
}
