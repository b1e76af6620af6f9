//! The example of an application with the server mounted in it, as its users see it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use downlink::{Client, Delivery, Reason, Start, State, Subscription};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

#[expect(dead_code, reason = "the test takes the place of its `main`")]
#[path = "../examples/app.rs"]
mod app;

struct App {
    address: String,
}

impl App {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(app::serve(listener));

        Ok(Self { address })
    }

    async fn post(&self, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").context("a body")?;

        Ok(body.to_owned())
    }

    async fn log_in(&self, user: &str) -> Result<Client> {
        let token = self.post("/login", user).await?;
        let url = format!("http://{}/live", self.address);

        Ok(Client::builder(url).token(token).connect()?)
    }
}

async fn next(events: &mut Subscription) -> Result<Result<Delivery, Reason>> {
    let next = timeout(PATIENCE, events.next()).await;

    next.context("nothing came")?.context("it ended")
}

async fn text(events: &mut Subscription) -> Result<String> {
    match next(events).await?? {
        Delivery::Event(event) => Ok(String::from_utf8(event.data.to_vec())?),
        Delivery::Gap(gap) => anyhow::bail!("{gap:?}"),
    }
}

#[tokio::test]
async fn a_team_talks_and_nobody_else_hears_it() -> Result<()> {
    let app = App::start().await?;
    let ann = app.log_in("ann").await?;
    let bob = app.log_in("bob").await?;
    let eve = app.log_in("eve").await?;
    let mut at_bob = bob.subscribe("team:red", Start::Now);
    let mut at_eve = eve.subscribe("team:red", Start::Now);
    let mut news = eve.subscribe("news", Start::Now);
    bob.track("team:red", "here").await?;
    let refusal = next(&mut at_eve).await?.err().context("eve is let in")?;
    ensure!(refusal.to_string().contains("forbidden"), "{refusal}");
    ensure!(eve.track("team:red", "here").await.is_err());

    ann.publish("team:red", "say", r#"{"text":" hello ","from":"bob"}"#)
        .await?;
    ensure!(text(&mut at_bob).await? == r#"{"from":"ann","text":"hello"}"#);
    let refused = ann.publish("team:red", "say", "hello").await;
    ensure!(refused.is_err_and(|reason| reason.to_string().contains("rejected")));
    ensure!(
        eve.publish("team:red", "say", r#"{"text":"x"}"#)
            .await
            .is_err()
    );
    eve.connected().await?;
    // An event that is there shows that the subscription is, too.
    let position = app.post("/news", "sold out").await?;
    ensure!(position.contains(':'));
    ensure!(text(&mut news).await? == "sold out");

    app.post("/teams/red/expel/bob", "").await?;
    ensure!(next(&mut at_bob).await?.is_err());
    let mut again = bob.subscribe("team:red", Start::Now);
    ensure!(next(&mut again).await?.is_err());
    // He is still a user.
    let mut news = bob.subscribe("news", Start::Last(1));
    ensure!(text(&mut news).await? == "sold out");

    let mut states = ann.states();
    app.post("/logout/ann", "").await?;
    let end = timeout(PATIENCE, async {
        while let Some(state) = states.next().await {
            if let State::Disconnected {
                retry_at: None,
                reason,
            } = state
            {
                return reason;
            }
        }
        None
    })
    .await?;
    let end = end.context("no reason")?.to_string();
    ensure!(end.contains("unauthorized"), "{end}");

    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(20);
