//! An axum application with a login of its own, and the server mounted in it: it says who may do what, and changes what is
//! published before others see it.
//!
//! ```sh
//! cargo run -p downlink-server --example app          # prints where it listens
//! token=$(curl -s -X POST -d ann localhost:8080/login)
//! downlink tail   --token "$token" http://localhost:8080/live team:red
//! downlink publish --token "$token" http://localhost:8080/live team:red '{"text":"hello"}'
//! curl -X POST localhost:8080/logout/ann              # ends ann's connections
//! ```

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use downlink_server::{
    Accepted, Action, Claims, Config, Denial, Grant, Hooks, Jwt, Key, KeyError, Message, Rejected,
    Server,
};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::net::TcpListener;

/// What the application knows.
struct App {
    key: Key,
    /// Checks the tokens that `key` has signed.
    tokens: Jwt,
    /// Who is in which team: a database, in a real one.
    teams: Mutex<HashMap<String, HashSet<String>>>,
}

/// The hooks of the application.
struct AppHooks(Arc<App>);

impl Hooks for AppHooks {
    fn authenticate<'a>(&'a self, token: Option<&'a str>) -> BoxFuture<'a, Result<Grant, Denial>> {
        self.0.tokens.authenticate(token)
    }

    /// Beside what the token allows: only members of a team read what it says, and only as long as they are.
    fn authorise<'a>(
        &'a self,
        grant: &'a Grant,
        channel: &'a str,
        _action: Action,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match (channel.strip_prefix("team:"), &grant.subject) {
                (Some(team), Some(user)) => self.0.is_in(team, user),
                (Some(_), None) => false,
                (None, _) => true,
            }
        })
    }

    /// Nobody speaks in another's name, and what is no message is refused.
    fn publish<'a>(
        &'a self,
        grant: &'a Grant,
        channel: &'a str,
        message: Message,
    ) -> BoxFuture<'a, Result<Accepted, Rejected>> {
        Box::pin(async move {
            let user = grant.subject.as_deref().unwrap_or_default();
            if let Some(team) = channel.strip_prefix("team:")
                && !self.0.is_in(team, user)
            {
                return Err(Rejected::new("you are not in this team"));
            }
            let text = serde_json::from_slice::<Value>(&message.data)
                .ok()
                .and_then(|value| Some(value.get("text")?.as_str()?.trim().to_owned()))
                .filter(|text| !text.is_empty())
                .ok_or_else(|| Rejected::new("write it as {\"text\": …}"))?;
            let data = serde_json::json!({ "from": user, "text": text }).to_string();

            Ok(Accepted::from(Message::new(message.name, data)))
        })
    }
}

impl App {
    fn new() -> Result<Self, KeyError> {
        let key = Key::hs256("read it from where your secrets are kept")?;
        let red = HashSet::from(["ann".to_owned(), "bob".to_owned()]);

        Ok(Self {
            tokens: Jwt::new([key.clone()]),
            key,
            teams: Mutex::new(HashMap::from([("red".to_owned(), red)])),
        })
    }

    fn is_in(&self, team: &str, user: &str) -> bool {
        let teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);

        teams.get(team).is_some_and(|team| team.contains(user))
    }
}

#[derive(Clone)]
struct Shared {
    app: Arc<App>,
    server: Server,
}

/// Gives who logs in a token for an hour; here the name is enough.
async fn log_in(State(shared): State<Shared>, user: String) -> Result<String, StatusCode> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .as_secs();
    let channels = vec!["team:*".to_owned(), "news".to_owned()];
    let claims = Claims {
        sub: Some(user.trim().to_owned()).filter(|user| !user.is_empty()),
        iat: Some(now),
        exp: now + 3600,
        subscribe: channels,
        publish: vec!["team:*".to_owned()],
        presence: vec!["team:*".to_owned()],
        ..Claims::default()
    };
    if claims.sub.is_none() {
        return Err(StatusCode::BAD_REQUEST);
    }

    shared
        .app
        .key
        .sign(&claims)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Ends what the user's tokens still hold open: they are good for nothing any more.
async fn log_out(State(shared): State<Shared>, Path(user): Path<String>) {
    shared.server.recall(&user, Duration::ZERO);
}

/// Takes a user out of a team: it hears nothing more from there.
async fn expel(State(shared): State<Shared>, Path((team, user)): Path<(String, String)>) {
    let mut teams = shared
        .app
        .teams
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if teams.get_mut(&team).is_some_and(|team| team.remove(&user)) {
        let channel = format!("team:{team}");
        shared.server.leave(&user, &channel, Duration::ZERO);
    }
}

/// What the application itself has to say.
async fn announce(State(shared): State<Shared>, text: String) -> Result<String, StatusCode> {
    shared
        .server
        .publish("news", Message::new("news", text))
        .map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)
}

/// Serves the application for as long as it goes.
pub(crate) async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error + Send + Sync>> {
    let app = Arc::new(App::new()?);
    let server = Server::with_hooks(Config::default(), AppHooks(app.clone()));
    let shared = Shared {
        app,
        server: server.clone(),
    };
    let routes = Router::new()
        .route("/login", post(log_in))
        .route("/logout/{user}", post(log_out))
        .route("/teams/{team}/expel/{user}", post(expel))
        .route("/news", post(announce))
        .with_state(shared)
        .merge(server.router("/live"));
    // Limits by address need to know the addresses.
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();

    Ok(axum::serve(listener, service).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8080".into());
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;

    serve(listener).await
}
