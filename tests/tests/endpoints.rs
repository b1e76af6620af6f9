//! Several URLs of one service, and URLs that the application says anew.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use downlink::{BuildError, Builder, Client, IoError, Reason, Start, TransportKind};
use downlink_server::{Config, Listening, Message, Server};
use downlink_tests::received::{Received, first_failure};

#[tokio::test]
async fn a_dead_endpoint_is_left_for_the_next_and_no_event_is_lost() -> Result<()> {
    for transport in TransportKind::ALL {
        let service = Service::new();
        let dead = service.url(&service.listen().await?);
        let first = service.listen().await?;
        let second = service.listen().await?;
        let client = quick(Client::builder(dead))
            .endpoints([service.url(&first), service.url(&second)])
            .transports([transport])
            .connect()?;
        let mut events = client.subscribe("room", Start::Earliest);
        let mut received = Received::default();

        let id = service.publish("one")?;
        received.until(&mut events, &id).await?;
        drop(first);
        let id = service.publish("two")?;
        received.until(&mut events, &id).await?;
        let third = service.listen_at(second.address(), second).await?;
        let id = service.publish("three")?;
        received.until(&mut events, &id).await?;

        received.check(&service.log())?;
        drop(third);
    }

    Ok(())
}

#[tokio::test]
async fn the_provider_is_asked_for_each_attempt_and_its_errors_are_failed_ones() -> Result<()> {
    let service = Service::new();
    let dead = service.url(&service.listen().await?);
    let first = service.listen().await?;
    let second = service.listen().await?;
    let urls = [
        None,
        Some(dead),
        Some(service.url(&first)),
        Some(service.url(&second)),
    ];
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let client = quick(Client::builder("https://service.example/downlink"))
        .url_provider(move || {
            let number = counter.fetch_add(1, Ordering::Relaxed).min(urls.len() - 1);
            let url = urls[number].clone().ok_or("no ticket");
            async move { url }
        })
        .connect()?;
    let mut trials = client.trials();
    let mut events = client.subscribe("room", Start::Earliest);
    let mut received = Received::default();

    assert_eq!(
        first_failure(&mut trials).await?,
        Reason::Io(IoError::Endpoint)
    );
    let id = service.publish("one")?;
    received.until(&mut events, &id).await?;
    assert_eq!(asked.load(Ordering::Relaxed), 3);

    drop(first);
    let id = service.publish("two")?;
    received.until(&mut events, &id).await?;
    assert_eq!(asked.load(Ordering::Relaxed), 4);
    received.check(&service.log())?;
    drop(second);

    Ok(())
}

#[tokio::test]
async fn a_provider_that_gives_no_url_is_asked_again() -> Result<()> {
    let service = Service::new();
    let listening = service.listen().await?;
    let url = service.url(&listening);
    let asked = AtomicUsize::new(0);
    let client = quick(Client::builder("https://service.example/downlink"))
        .url_provider(move || {
            let bad = ["", "downlink", "ftp://host/", "http://"];
            let number = asked.fetch_add(1, Ordering::Relaxed);
            let url = bad
                .get(number)
                .map_or_else(|| url.clone(), ToString::to_string);
            async move { Ok::<_, std::io::Error>(url) }
        })
        .connect()?;
    let mut events = client.subscribe("room", Start::Earliest);

    let id = service.publish("one")?;
    Received::default().until(&mut events, &id).await
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_an_error_of_the_options() -> Result<()> {
    let made = Client::builder("https://service.example/")
        .endpoints(["https://other.example/", "other.example"])
        .connect();

    ensure!(matches!(made, Err(BuildError::Url)));

    Ok(())
}

fn quick(builder: Builder) -> Builder {
    builder.backoff(Duration::from_millis(10), Duration::from_millis(50))
}

/// One log behind several ports.
struct Service(Server);

impl Service {
    fn new() -> Self {
        Self(Server::new(Config::default()))
    }

    async fn listen(&self) -> Result<Listening> {
        let any = (Ipv4Addr::LOCALHOST, 0).into();

        Ok(self.0.listen(any, "/downlink", None).await?)
    }

    /// Closes what is there, and listens at the same address.
    async fn listen_at(&self, address: SocketAddr, before: Listening) -> Result<Listening> {
        drop(before);
        for _ in 0..100 {
            if let Ok(listening) = self.0.listen(address, "/downlink", None).await {
                return Ok(listening);
            }
            tokio::task::yield_now().await;
        }

        Ok(self.0.listen(address, "/downlink", None).await?)
    }

    fn url(&self, listening: &Listening) -> String {
        format!("http://{}/downlink", listening.address())
    }

    fn publish(&self, data: &str) -> Result<String> {
        let message = Message::new("msg", data.to_owned());

        Ok(self.0.publish("room", message)?)
    }

    fn log(&self) -> Vec<(String, Vec<u8>)> {
        let events = self.0.events("room").into_iter();

        events
            .map(|event| (event.id, event.data.to_vec()))
            .collect()
    }
}
