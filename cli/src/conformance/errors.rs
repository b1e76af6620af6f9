//! What is wrong, unknown or too much: sections 3, 4 and 7.

use anyhow::Context;

use super::{Check, Probe, Trouble, probe::Answer};

pub(super) const CHECKS: [Check; 12] = [
    Check {
        id: "hello-without-version",
        section: "7",
        requirement: "a hello without v is malformed, for good",
        run: |probe| {
            Box::pin(refused(
                probe,
                "hello session=conformance-bad-hello0 mode=once\n",
                "malformed",
            ))
        },
    },
    Check {
        id: "hello-without-session",
        section: "4.1",
        requirement: "a hello without a session is malformed",
        run: |probe| Box::pin(refused(probe, "hello v=1 mode=once\n", "malformed")),
    },
    Check {
        id: "first-is-no-hello",
        section: "7",
        requirement: "a request that does not begin with hello is malformed",
        run: |probe| Box::pin(refused(probe, "sub 1 room\n", "malformed")),
    },
    Check {
        id: "empty-request",
        section: "7",
        requirement: "a request without a frame is malformed",
        run: |probe| Box::pin(refused(probe, "", "malformed")),
    },
    Check {
        id: "bad-escape",
        section: "3",
        requirement: "a broken percent escape is malformed",
        run: |probe| Box::pin(bad_frame(probe, "sub 1 room%4\n")),
    },
    Check {
        id: "bad-verb",
        section: "3",
        requirement: "a verb that breaks the grammar is malformed",
        run: |probe| Box::pin(bad_frame(probe, "SUB 1 room\n")),
    },
    Check {
        id: "higher-version",
        section: "14",
        requirement: "a client that speaks more versions gets version 1",
        run: |probe| Box::pin(higher_version(probe)),
    },
    Check {
        id: "unknown-is-ignored",
        section: "3",
        requirement: "unknown verbs, fields and words are ignored",
        run: |probe| Box::pin(unknown_is_ignored(probe)),
    },
    Check {
        id: "crlf",
        section: "3",
        requirement: "lines may end with CR LF, empty ones are ignored, and the last end may be missing",
        run: |probe| Box::pin(crlf(probe)),
    },
    Check {
        id: "bad-channel",
        section: "5",
        requirement: "a name of 256 bytes is `bad-channel`, and does not harm the others",
        run: |probe| Box::pin(bad_channel(probe)),
    },
    Check {
        id: "bad-start",
        section: "5",
        requirement: "a start that breaks the grammar is `bad-start`, and does not harm the others",
        run: |probe| Box::pin(bad_start(probe)),
    },
    Check {
        id: "too-large",
        section: "10",
        requirement: "a request over `max` is refused",
        run: |probe| Box::pin(too_large(probe)),
    },
];

fn is_refused(answer: &Answer, code: &str) -> Result<(), Trouble> {
    let error = answer.frame("err").with_context(|| answer.verbs())?;
    let is_it = error.words.first().is_some_and(|scope| scope == "-")
        && error.words.get(1).is_some_and(|word| word == code)
        && error.field("retry") == Some("never");
    if !is_it || answer.frame("hi").is_none() {
        return Trouble::failed(format!("{:?} {}", error.words, answer.verbs()));
    }

    Ok(())
}

async fn refused(probe: &Probe, body: &'static str, code: &str) -> Result<(), Trouble> {
    is_refused(&probe.post(body).await?, code)
}

async fn bad_frame(probe: &Probe, frame: &str) -> Result<(), Trouble> {
    is_refused(&probe.once(0, frame).await?, "malformed")
}

async fn higher_version(probe: &Probe) -> Result<(), Trouble> {
    let hello = probe.hello(" mode=once").replace("v=1", "v=99");
    let answer = probe.post(hello).await?;
    let hi = answer.frame("hi").with_context(|| answer.verbs())?;
    if hi.field("v") != Some("1") || answer.frame("welcome").is_none() {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn unknown_is_ignored(probe: &Probe) -> Result<(), Trouble> {
    let hello = probe.hello(" mode=once colour=blue future");
    let frames = format!(
        "{hello}wobble 4 x=y :payload\nwobble #3\n\n\n\n\nsub 1 {} now colour=blue future\n",
        probe.quiet
    );
    let answer = probe.post(frames).await?;
    if answer.frame("ok").is_none() {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn crlf(probe: &Probe) -> Result<(), Trouble> {
    let hello = probe.hello(" mode=once").replace('\n', "\r\n");
    let answer = probe
        .post(format!("\n{hello}\r\nsub 1 {}", probe.quiet))
        .await?;
    if answer.frame("ok").is_none() {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn others_unharmed(probe: &Probe, bad: &str, code: &str) -> Result<(), Trouble> {
    let answer = probe
        .once(0, &format!("{bad}sub 2 {}\n", probe.quiet))
        .await?;
    let about = answer.about("1");
    let is_refused = about
        .iter()
        .any(|frame| frame.is("err", "1") && frame.words.get(1).is_some_and(|word| word == code));
    let is_other_fine = answer.about("2").iter().any(|frame| frame.is("ok", "2"));
    if !is_refused || !is_other_fine {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn bad_channel(probe: &Probe) -> Result<(), Trouble> {
    let bad = format!("sub 1 {}\n", "x".repeat(256));

    others_unharmed(probe, &bad, "bad-channel").await
}

async fn bad_start(probe: &Probe) -> Result<(), Trouble> {
    for start in [
        "after=nonsense",
        "last=many",
        "tomorrow",
        "since=-5",
        "last=1 since=1000",
        "now last=1",
    ] {
        let bad = format!("sub 1 {} {start}\n", probe.quiet);
        others_unharmed(probe, &bad, "bad-start").await?;
    }

    Ok(())
}

async fn too_large(probe: &Probe) -> Result<(), Trouble> {
    let line = format!("wobble :{}\n", "x".repeat(1_000));
    let frames = line.repeat(probe.max / line.len() + 2);
    match probe.once(0, &frames).await {
        Ok(answer) if answer.status == 413 => Ok(()),
        Ok(answer) => is_refused(&answer, "too-large"),
        // It may rather close, and be there for the next one.
        Err(_) => {
            probe.once(0, "").await?;
            Ok(())
        }
    }
}
