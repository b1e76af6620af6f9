//! Cookies: kept where the application wants that.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod scripted;

use std::net::{IpAddr, Ipv4Addr};

use downlink::{PlatformOptions, TokioPlatform};
use downlink_core::Method;
use downlink_driver::contract::Exchange;
use http::header;

use crate::scripted::{Asked, Scripted, answer, request, upgrade};

#[tokio::test]
async fn what_a_server_sets_comes_back_with_requests_and_upgrades() {
    let server = setting(&["session=s3cret; HttpOnly", "other=1; Path=/elsewhere"]).await;
    let platform = platform(true);

    get(&platform, server.url("/set")).await;
    get(&platform, server.url("/next")).await;
    open(&platform, server.url("/socket")).await;

    let cookies: Vec<_> = server.asked().iter().map(cookies).collect();
    assert_eq!(cookies, ["", "session=s3cret", "session=s3cret"]);
}

#[tokio::test]
async fn what_a_server_sets_with_an_upgrade_comes_back() {
    let server = setting(&["session=1"]).await;
    let platform = platform(true);

    Exchange::websocket(&platform, upgrade(server.url("/set")))
        .head()
        .await
        .unwrap();
    get(&platform, server.url("/next")).await;

    assert_eq!(cookies(&server.asked()[1]), "session=1");
}

#[tokio::test]
async fn nothing_is_kept_by_default() {
    let server = setting(&["session=1"]).await;
    let platform = platform(false);

    get(&platform, server.url("/set")).await;
    get(&platform, server.url("/next")).await;

    assert_eq!(cookies(&server.asked()[1]), "");
}

#[tokio::test]
async fn the_applications_cookie_counts_more_than_one_of_the_same_name() {
    let server = setting(&["session=theirs", "more=1"]).await;
    let options = PlatformOptions::default()
        .cookies(true)
        .header("cookie", "session=mine");
    let platform = TokioPlatform::new(options).unwrap();

    get(&platform, server.url("/set")).await;
    get(&platform, server.url("/next")).await;

    assert_eq!(cookies(&server.asked()[1]), "session=mine; more=1");
}

#[tokio::test]
async fn cookies_of_another_host_or_for_tls_only_stay() {
    let server = setting(&["a=1; Domain=example.org", "b=1; Secure", "c=1"]).await;
    // A loopback address would be as good as TLS.
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let options = PlatformOptions::default()
        .cookies(true)
        .resolver(move |_| async move { Ok(vec![here]) });
    let platform = TokioPlatform::new(options).unwrap();

    for path in ["/set", "/next"] {
        let url = server.url(path).replace("127.0.0.1", "host.example.com");
        get(&platform, url).await;
    }

    assert_eq!(cookies(&server.asked()[1]), "c=1");
}

#[tokio::test]
async fn the_jar_has_a_bound_and_what_a_server_takes_back_makes_room() {
    let many: Vec<_> = (0..80).map(|number| format!("n{number}=1")).collect();
    let large = format!("large={}", "x".repeat(5000));
    let server = Scripted::start(move |asked| {
        let sets: Vec<_> = match asked.path.as_str() {
            "/many" => many.iter().map(String::as_str).collect(),
            "/large" => vec![large.as_str()],
            "/exchange" => vec!["n0=; Max-Age=0", "late=1"],
            _ => return None,
        };
        let sets: Vec<_> = sets.into_iter().map(|set| ("set-cookie", set)).collect();
        answer(200, &sets)
    })
    .await;
    let platform = platform(true);

    for path in ["/large", "/many", "/exchange", "/next"] {
        get(&platform, server.url(path)).await;
    }

    let asked = server.asked();
    assert_eq!(cookies(&asked[1]), "");
    assert_eq!(cookies(&asked[2]).split("; ").count(), 64);
    let last = cookies(&asked[3]);
    assert_eq!(last.split("; ").count(), 64);
    assert!(last.contains("late=1") && !last.contains("n0="));
}

async fn setting(cookies: &[&'static str]) -> Scripted {
    let sets: Vec<_> = cookies.iter().map(|set| ("set-cookie", *set)).collect();

    Scripted::start(move |asked| match asked.path.as_str() {
        "/set" => answer(403, &sets),
        _ => None,
    })
    .await
}

fn platform(keeps_cookies: bool) -> TokioPlatform {
    TokioPlatform::new(PlatformOptions::default().cookies(keeps_cookies)).unwrap()
}

async fn get(platform: &TokioPlatform, url: String) {
    let mut exchange = Exchange::http(platform, request(Method::Get, url));

    exchange.head().await.unwrap();
    assert_eq!(exchange.rest().await.unwrap().1, Ok(None));
}

async fn open(platform: &TokioPlatform, url: String) {
    let head = Exchange::websocket(platform, upgrade(url)).head().await;

    assert_eq!(head.unwrap().status, 101);
}

fn cookies(asked: &Asked) -> String {
    let values = asked.headers.get_all(header::COOKIE).iter();
    let mut values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
    assert!(values.len() <= 1);

    values.pop().unwrap_or_default().into()
}
