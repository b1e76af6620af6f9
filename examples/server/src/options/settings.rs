//! From options to what a server is made of.

use std::{
    fmt, fs,
    io::{self, IsTerminal},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};
use tracing_subscriber::EnvFilter;

use super::Options;
use crate::{Config, Jwt, Key, KeyError, Limits, Network, Origins, Rate, Retention, Tls};

/// What the options come to.
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) jwt: Option<Jwt>,
    pub(super) listen: SocketAddr,
    pub(super) operations: Option<SocketAddr>,
    pub(super) path: String,
    pub(super) tls: Option<Tls>,
    pub(super) drain: Duration,
}

/// Why options cannot be used.
#[derive(Debug)]
pub(super) enum SettingsError {
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// The file of settings is none: where, and why, but not the line itself, which may hold a secret.
    Toml(PathBuf, String),
    /// A key cannot be used.
    Key(&'static str, KeyError),
    /// A setting has no such value.
    Value(&'static str, String),
}

/// Text that is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(String);

/// How to log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogForm {
    #[default]
    Text,
    Json,
}

impl Options {
    /// Adds what the file says and neither flag nor environment does.
    pub(super) fn with_file(self) -> Result<Self, SettingsError> {
        let Some(path) = &self.config else {
            return Ok(self);
        };
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let file: Self = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let index = before.matches('\n').count();
            let line = text.lines().nth(index).unwrap_or_default();
            let name = line.split_once('=').map_or("", |(name, _)| name.trim());
            let place = format!("line {} ({name})", index + 1);
            SettingsError::Toml(path.clone(), format!("{place}: {}", error.message()))
        })?;

        Ok(self.or(file))
    }

    /// # Errors
    /// The first setting that cannot be used.
    pub(super) fn settings(&self) -> Result<Settings, SettingsError> {
        let path = self.path.clone().unwrap_or_else(|| "/downlink".into());
        super::path(&path).map_err(|why| SettingsError::Value("path", why.into()))?;
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls {
                certificate: read(certificate)?,
                key: read(key)?,
            }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("tls-key", "tls-cert")),
            (None, Some(_)) => return Err(missing("tls-cert", "tls-key")),
        };

        Ok(Settings {
            config: self.make_config()?,
            jwt: self.jwt()?,
            listen: self.listen.unwrap_or_else(|| ([127, 0, 0, 1], 8080).into()),
            operations: self.operations,
            path,
            tls,
            drain: Duration::from_millis(self.drain.unwrap_or(2_000)),
        })
    }

    /// Begins to log to standard error, unless somebody else has.
    ///
    /// # Errors
    /// The filter is none.
    pub(super) fn begin_log(&self) -> Result<(), SettingsError> {
        let filter = self.log_filter.as_deref().unwrap_or("info");
        let filter = EnvFilter::try_new(filter)
            .map_err(|error| SettingsError::Value("log-filter", error.to_string()))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        let _has_begun = match self.log.unwrap_or_default() {
            LogForm::Text => log.try_init(),
            LogForm::Json => log.json().try_init(),
        };

        Ok(())
    }

    fn make_config(&self) -> Result<Config, SettingsError> {
        let default = Config::default();
        let ms = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
        let origins = match &self.origins {
            None => Origins::Any,
            Some(origins) => Origins::These(origins.clone()),
        };
        if let Origins::These(origins) = &origins
            && let Some(bad) = origins.iter().find(|origin| !is_origin(origin))
        {
            let why = format!("{bad:?} is no origin: write it as https://app.example.org");
            return Err(SettingsError::Value("origins", why));
        }
        let proxies = self.trusted_proxies.iter().flatten();
        let trusted_proxies: Result<_, _> = proxies
            .map(|network| {
                Network::from_str(network).map_err(|error| {
                    SettingsError::Value("trusted-proxies", format!("{network:?}: {error}"))
                })
            })
            .collect();
        let usual = self.limits(Limits::default())?;

        Ok(Config {
            hello_delay: ms(self.hello_delay, default.hello_delay),
            retention: Retention {
                events: self.max_events.unwrap_or(default.retention.events),
                bytes: self.max_bytes.unwrap_or(default.retention.bytes),
                age: ms(self.max_age, default.retention.age),
            },
            memory: self.max_memory.unwrap_or(default.memory),
            idle: ms(self.idle, default.idle),
            patience: ms(self.patience, default.patience),
            channels: self.max_channels.unwrap_or(default.channels),
            connections: self.max_connections.unwrap_or(default.connections),
            subscriptions: self.max_subscriptions.unwrap_or(default.subscriptions),
            publishing: !self.no_publish,
            keeps: ms(self.keeps, default.keeps),
            presence: !self.no_presence,
            lease: ms(self.lease, default.lease),
            members: self.max_members.unwrap_or(default.members),
            per_subject: Limits {
                connections: self
                    .max_connections_per_subject
                    .unwrap_or(usual.connections),
                ..usual
            },
            per_address: self.max_connections_per_address.map(|connections| Limits {
                connections,
                ..usual
            }),
            trusted_proxies: trusted_proxies?,
            origins,
            ..default
        })
    }

    fn limits(&self, usual: Limits) -> Result<Limits, SettingsError> {
        let rate = |name, value: Option<f64>, usual: Rate| match value {
            None => Ok(usual),
            Some(rate) if (0.001..=1e6).contains(&rate) => {
                Ok(Rate::new(rate, (rate * 4.0).max(1.0)))
            }
            Some(rate) => {
                let why = format!("{rate} is not between 0.001 and 1000000 a second");
                Err(SettingsError::Value(name, why))
            }
        };

        Ok(Limits {
            requests: rate("max-requests", self.max_requests, usual.requests)?,
            publishes: rate("max-publishes", self.max_publishes, usual.publishes)?,
            ..usual
        })
    }

    fn jwt(&self) -> Result<Option<Jwt>, SettingsError> {
        let mut keys = Vec::new();
        if let Some(Secret(secret)) = &self.jwt_secret {
            let key = Key::hs256(secret);
            keys.push(key.map_err(|error| SettingsError::Key("jwt-secret", error))?);
        }
        if let Some(path) = &self.jwt_key {
            let key = Key::ed25519(read(path)?);
            keys.push(key.map_err(|error| SettingsError::Key("jwt-key", error))?);
        }
        if keys.is_empty() {
            for (name, value) in [
                ("jwt-issuer", &self.jwt_issuer),
                ("jwt-audience", &self.jwt_audience),
            ] {
                if value.is_some() {
                    return Err(missing("jwt-secret or jwt-key", name));
                }
            }
            return Ok(None);
        }
        let mut jwt = Jwt::new(keys);
        if let Some(issuer) = &self.jwt_issuer {
            jwt = jwt.issuer(issuer);
        }
        if let Some(audience) = &self.jwt_audience {
            jwt = jwt.audience(audience);
        }

        Ok(Some(jwt))
    }

    /// What this says, else what the other one says.
    fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            operations: self.operations.or(other.operations),
            path: self.path.or(other.path),
            log: self.log.or(other.log),
            log_filter: self.log_filter.or(other.log_filter),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            jwt_secret: self.jwt_secret.or(other.jwt_secret),
            jwt_key: self.jwt_key.or(other.jwt_key),
            jwt_issuer: self.jwt_issuer.or(other.jwt_issuer),
            jwt_audience: self.jwt_audience.or(other.jwt_audience),
            origins: self.origins.or(other.origins),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            max_connections: self.max_connections.or(other.max_connections),
            max_connections_per_address: self
                .max_connections_per_address
                .or(other.max_connections_per_address),
            max_connections_per_subject: self
                .max_connections_per_subject
                .or(other.max_connections_per_subject),
            max_requests: self.max_requests.or(other.max_requests),
            max_publishes: self.max_publishes.or(other.max_publishes),
            max_subscriptions: self.max_subscriptions.or(other.max_subscriptions),
            max_channels: self.max_channels.or(other.max_channels),
            max_memory: self.max_memory.or(other.max_memory),
            idle: self.idle.or(other.idle),
            patience: self.patience.or(other.patience),
            hello_delay: self.hello_delay.or(other.hello_delay),
            max_events: self.max_events.or(other.max_events),
            max_bytes: self.max_bytes.or(other.max_bytes),
            max_age: self.max_age.or(other.max_age),
            no_publish: self.no_publish || other.no_publish,
            keeps: self.keeps.or(other.keeps),
            no_presence: self.no_presence || other.no_presence,
            lease: self.lease.or(other.lease),
            max_members: self.max_members.or(other.max_members),
            drain: self.drain.or(other.drain),
            ..self
        }
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(not shown)")
    }
}

impl FromStr for LogForm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err("it is text or json"),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Toml(path, why) => write!(f, "{}, {why}", path.display()),
            Self::Key(name, error) => write!(f, "{name}: {error}"),
            Self::Value(name, why) => write!(f, "{name}: {why}"),
        }
    }
}

impl std::error::Error for SettingsError {}

fn missing(name: &'static str, because: &str) -> SettingsError {
    SettingsError::Value(name, format!("it is needed where there is {because}"))
}

/// Scheme, host and port, and nothing behind them.
fn is_origin(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));

    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', ' ', '@', '*']))
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    fs::read(path).map_err(|error| SettingsError::File(path.into(), error))
}
