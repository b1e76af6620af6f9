//! Who has no business here, and what he would like to write into headers and logs.

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;
use serde_json::Value;

use crate::{
    raw::{POST, Raw, TEXT, UPGRADE, frame, hello},
    target::Target,
};

const SECRET: &str = "a secret that has more than thirty-two bytes";
/// What nobody may find in a log.
const MARK: &str = "cGFzc3dvcmQtb2YtYW5u";

/// A JSON Web Token (RFC 7519) with this header and these claims, signed by HS256 with this secret.
fn token(header: &str, claims: &str, secret: &str) -> String {
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, text.as_bytes());

    format!("{text}.{}", BASE64.encode(signature))
}

#[tokio::test]
async fn tokens_that_are_forged_expired_or_none() -> Result<()> {
    let hs256 = r#"{"alg":"HS256"}"#;
    let good = token(
        hs256,
        r#"{"sub":"ann","exp":9999999999,"subscribe":["calm"]}"#,
        SECRET,
    );
    let log = ["--log", "json", "--log-filter", "trace"];
    let settings = [&["--jwt-secret", SECRET][..], &log].concat();
    let mut target = Target::with_token(&settings, Some(&good)).await?;
    let claims = r#"{"sub":"ann","exp":9999999999,"jti":"MARK"}"#.replace("MARK", MARK);
    let claims = claims.as_str();
    let unsigned = |alg: &str| {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        format!("{}.{}.", BASE64.encode(header), BASE64.encode(claims))
    };
    let mut swapped = good.clone();
    let at = good.find('.').unwrap_or(0) + 1;
    let end = good.rfind('.').unwrap_or(0);
    swapped.replace_range(at..end, &BASE64.encode(claims));
    let cases = [
        None,
        Some("x".to_owned()),
        Some(unsigned("none")),
        Some(unsigned("NONE")),
        Some(unsigned("HS256")),
        Some(swapped),
        Some(token(
            hs256,
            claims,
            "another secret of more than thirty-two bytes",
        )),
        Some(token(r#"{"alg":"HS512"}"#, claims, SECRET)),
        Some(token(r#"{"alg":"HS256","crit":["x"]}"#, claims, SECRET)),
        Some(token(hs256, r#"{"sub":"ann","exp":1}"#, SECRET)),
        Some(token(
            hs256,
            r#"{"sub":"ann","exp":9999999999,"nbf":9999999998}"#,
            SECRET,
        )),
        Some(token(hs256, r#"{"sub":"ann","exp":-1}"#, SECRET)),
        Some(token(
            hs256,
            &format!("{{\"exp\":9999999999,\"x\":{}", "[".repeat(2_000)),
            SECRET,
        )),
    ];
    for token in &cases {
        let token = token
            .as_ref()
            .map_or_else(String::new, |token| format!(" token={token}"));
        for is_socket in [false, true] {
            let mut raw;
            if is_socket {
                raw = Raw::upgraded(&target.address).await?;
                let words = hello(1, &token) + "sub 1 calm\n";
                raw.write(frame(TEXT, words.as_bytes())).await?;
            } else {
                raw = Raw::connect(&target.address).await?;
                raw.post(&(hello(1, &format!("{token} mode=once")) + "sub 1 calm\n"))
                    .await?;
            }
            let said = raw.until("err - ").await?;
            ensure!(said.contains("err - unauthorized retry=token"), "{said}");
            ensure!(!said.contains("welcome") && !said.contains(MARK), "{said}");
        }
    }
    target.is_unmoved().await?;
    let log = target.log();
    let marks = [MARK, &BASE64.encode(MARK), SECRET, &good, "9999999999"];
    for mark in marks {
        ensure!(!log.contains(mark), "{mark} is in the log");
    }
    ensure!(log.contains("unauthorized"), "{log}");

    Ok(())
}

#[tokio::test]
async fn pages_of_another_origin() -> Result<()> {
    let ours = "https://app.example.org";
    let mut target = Target::start(&["--origins", ours]).await?;
    for (origin, is_ours) in [
        (ours, true),
        ("HTTPS://App.Example.Org", true),
        ("https://evil.example", false),
        ("https://app.example.org.evil.example", false),
        ("http://app.example.org", false),
        ("https://app.example.org:444", false),
        ("null", false),
        ("\u{e9}", false),
        ("", false),
    ] {
        let mut raw = Raw::connect(&target.address).await?;
        let body = hello(1, " mode=once") + "sub 1 calm earliest\n";
        let length = body.len();
        raw.write(format!(
            "{POST}Origin: {origin}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await?;
        let said = raw.until("\r\n0\r\n\r\n").await?;
        let may_read = said.contains("access-control-allow-origin");
        ensure!(
            said.contains("err - forbidden") != is_ours,
            "{origin}: {said}"
        );
        ensure!(
            said.contains("welcome") == is_ours && may_read == is_ours,
            "{origin}: {said}"
        );

        let mut raw = Raw::connect(&target.address).await?;
        raw.write(UPGRADE.replace("Host: x", &format!("Host: x\r\nOrigin: {origin}")))
            .await?;
        raw.until("\r\n\r\n").await?;
        raw.write(frame(TEXT, hello(2, "").as_bytes())).await?;
        let word = if is_ours {
            "welcome"
        } else {
            "err - forbidden"
        };
        raw.until(word).await?;
    }

    target.is_unmoved().await
}

#[tokio::test]
async fn what_would_be_a_line_of_its_own_is_none() -> Result<()> {
    for form in ["json", "text"] {
        let settings = [
            "--log",
            form,
            "--log-filter",
            "trace",
            "--origins",
            "https://a.example",
        ];
        let mut target = Target::start(&settings).await?;
        let evil = "\\r\\nX-Evil: 1\\n{\"level\":\"ERROR\"}\u{1b}[31m";
        for value in [
            "a%0D%0AX-Evil:%201",
            "a\u{1b}[31m",
            "a\nX-Evil: 1",
            "a\rX-Evil: 1",
            evil,
        ] {
            for header in [
                "Origin",
                "X-Forwarded-For",
                "Sec-WebSocket-Protocol",
                "Host",
            ] {
                let mut raw = Raw::connect(&target.address).await?;
                let body = hello(1, " mode=once");
                let length = body.len();
                raw.write(format!(
                    "{POST}{header}: {value}\r\nContent-Length: {length}\r\n\r\n{body}"
                ))
                .await?;
                let said = raw.until("\r\n\r\n").await?.to_lowercase();
                ensure!(!said.contains("\r\nx-evil"), "{said}");
            }
            let body = hello(2, &format!(" mode=once token={value}"))
                + &format!("sub 1 {value}\npub 2 %0A{value} %0A{value} :{value}\n");
            let mut raw = Raw::connect(&target.address).await?;
            raw.post(&body).await?;
            raw.until("\r\n\r\n").await?;
        }
        target.is_unmoved().await?;
        let log = target.log();
        ensure!(!log.is_empty() && !log.contains('\u{1b}'), "{log}");
        for line in log.lines() {
            let is_whole = if form == "json" {
                serde_json::from_str::<Value>(line).is_ok_and(|line| line["timestamp"].is_string())
            } else {
                line.starts_with("20")
            };
            ensure!(is_whole, "{line:?}");
        }
    }

    Ok(())
}
