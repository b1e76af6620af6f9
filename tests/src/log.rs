//! A server's log, read by a client that shares no code with Downlink's.

use anyhow::{Context, Result, ensure};

/// Ids and data of all that a channel keeps, oldest first.
pub async fn read_log(
    client: &reqwest::Client,
    url: &str,
    channel: &str,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut events: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let start = match events.last() {
            None => "earliest".into(),
            Some((id, _)) => format!("after={id}"),
        };
        let answer = client
            .post(url)
            .header("content-type", "text/plain")
            .body(format!(
                "hello v=1 session=YmFyZS1jbGllbnQtYWxvbg mode=once patience=0\nsub 1 {channel} {start}\n"
            ))
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        let before = events.len();
        let at = answer
            .split_once("ok 1 at=")
            .and_then(|(_, rest)| rest.split(':').next())
            .with_context(|| format!("no log: {answer}"))?;
        for line in answer.lines().filter(|line| line.starts_with("e 1 ")) {
            let seq = line.split(' ').nth(2).context("a number")?;
            let (_, data) = line.split_once(" :").context("a payload in the line")?;
            events.push((format!("{at}:{seq}"), data.into()));
        }
        ensure!(!answer.contains("gap 1 "), "the log was trimmed meanwhile");
        if events.len() == before {
            return Ok(events);
        }
    }
}
