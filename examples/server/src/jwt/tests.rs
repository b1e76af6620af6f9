use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};

use super::*;

const SECRET: &str = "it takes at least thirty-two bytes";
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn claims() -> Claims {
    Claims {
        sub: Some("ann".into()),
        exp: NOW.as_secs() + 60,
        iat: Some(NOW.as_secs()),
        subscribe: vec!["room:*".into()],
        ..Claims::default()
    }
}

fn hs256() -> Key {
    Key::hs256(SECRET).expect("is long enough")
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);

    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// A private key, its public one, and the bytes of that.
fn ed25519() -> (Key, Key, Vec<u8>) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("there is entropy");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("is a key");
    let public = pair.public_key().as_ref().to_vec();
    let spki = [key::SPKI, &public].concat();
    let read = |label, der: &[u8]| Key::ed25519(pem(label, der)).expect("is a key");

    (
        read("PRIVATE KEY", document.as_ref()),
        read("PUBLIC KEY", &spki),
        public,
    )
}

/// A token with this header, signed with the secret whatever it says.
fn forge(header: &str, claims: &Claims) -> String {
    let claims = serde_json::to_string(claims).expect("is JSON");
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));

    format!("{signed}.{signature}")
}

#[test]
fn a_good_token_says_who_it_is_and_what_it_may() {
    let (private, public, _) = ed25519();
    for (jwt, token) in [
        (Jwt::new([hs256()]), hs256().sign(&claims())),
        (Jwt::new([public]), private.sign(&claims())),
        (
            Jwt::new([hs256(), private.with_id("2")]),
            hs256().sign(&claims()),
        ),
    ] {
        let verified = jwt.verify(&token.expect("can be signed"), NOW);
        assert_eq!(verified, Ok(claims()));
    }
    let grant = claims().grant(Duration::ZERO).expect("makes sense");
    assert!(grant.rights.subscribe.contain("room:1"));
    assert!(!grant.rights.publish.contain("room:1"));
    assert!(!grant.rights.presence.contain("room:1"));
}

/// The example of RFC 7515, appendix A.1: a library that everybody agrees with.
#[test]
fn another_librarys_token_is_read() {
    let key =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = Key::hs256(URL_SAFE_NO_PAD.decode(key).expect("is base64")).expect("is a key");
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let jwt = Jwt::new([key]).issuer("joe");
    let then = Duration::from_secs(1_300_819_000);

    assert_eq!(
        jwt.verify(token, then).map(|claims| claims.exp),
        Ok(1_300_819_380)
    );
    assert_eq!(jwt.verify(token, NOW), Err(Flaw::Expired));
}

/// The example of RFC 8037, appendix A.4.
#[test]
fn another_librarys_signature_by_ed25519_is_good() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let key = Key::ed25519(pem).expect("is a key");
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("is base64");

    assert!(key.verifies(signed, &signature));
    assert!(!key.verifies(&signed[1..], &signature));
}

#[test]
fn a_token_that_somebody_else_made_is_refused() {
    let jwt = Jwt::new([hs256()]);
    let good = hs256().sign(&claims()).expect("can be signed");
    let (signed, signature) = good.rsplit_once('.').expect("has three parts");
    let other = Claims {
        sub: Some("eve".into()),
        ..claims()
    };
    let (_, stolen) = forge("{}", &other)
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("has parts");
    let payload = stolen.split('.').next().expect("has parts").to_owned();
    let header = signed.split('.').next().expect("has parts");
    for (token, flaw) in [
        (String::new(), Flaw::Malformed),
        ("...".into(), Flaw::Malformed),
        (signed.to_owned(), Flaw::Malformed),
        (format!("{signed}."), Flaw::Signature),
        (format!("{signed}.{}", &signature[..8]), Flaw::Signature),
        (format!("{header}.{payload}.{signature}"), Flaw::Signature),
        (forge(r#"{"alg":"none"}"#, &other), Flaw::Key),
        (forge(r#"{"alg":"None"}"#, &other), Flaw::Key),
        (forge(r#"{"alg":"hs256"}"#, &other), Flaw::Key),
        (forge(r#"{"alg":"HS512"}"#, &other), Flaw::Key),
        (
            forge(r#"{"alg":"HS256","crit":["exp"]}"#, &other),
            Flaw::Malformed,
        ),
        (forge("{}", &other), Flaw::Malformed),
        (format!("{good}{}", "A".repeat(4000)), Flaw::Malformed),
    ] {
        assert_eq!(jwt.verify(&token, NOW), Err(flaw), "{token:.80}");
    }
}

/// Who knows the public key makes it a shared secret.
#[test]
fn a_public_key_is_no_secret() {
    let (_, public, bytes) = ed25519();
    let forged = Key::hs256(bytes).expect("is long enough").sign(&claims());
    let jwt = Jwt::new([public]);

    assert_eq!(
        jwt.verify(&forged.expect("can be signed"), NOW),
        Err(Flaw::Key)
    );
}

#[test]
fn a_key_that_is_named_is_the_only_one_that_is_tried() {
    let jwt = Jwt::new([hs256().with_id("old")]);
    let token = |id: &str| hs256().with_id(id).sign(&claims()).expect("can be signed");

    assert!(jwt.verify(&token("old"), NOW).is_ok());
    assert_eq!(jwt.verify(&token("new"), NOW), Err(Flaw::Key));
}

#[test]
fn a_token_has_its_time_its_issuer_and_its_audience() {
    let jwt = Jwt::new([hs256()]).issuer("us").audience("push");
    let good = Claims {
        iss: Some("us".into()),
        aud: vec!["web".into(), "push".into()],
        ..claims()
    };
    let seconds = NOW.as_secs();
    for (change, flaw) in [
        (
            Claims {
                exp: seconds - 5,
                ..good.clone()
            },
            Some(Flaw::Expired),
        ),
        (
            Claims {
                exp: seconds - 4,
                ..good.clone()
            },
            None,
        ),
        (
            Claims {
                exp: u64::MAX,
                ..good.clone()
            },
            None,
        ),
        (
            Claims {
                nbf: Some(seconds + 6),
                ..good.clone()
            },
            Some(Flaw::Early),
        ),
        (
            Claims {
                iat: Some(seconds + 6),
                ..good.clone()
            },
            Some(Flaw::Early),
        ),
        (
            Claims {
                iss: None,
                ..good.clone()
            },
            Some(Flaw::Issuer),
        ),
        (
            Claims {
                aud: vec!["web".into()],
                ..good.clone()
            },
            Some(Flaw::Audience),
        ),
        (good, None),
    ] {
        let token = hs256().sign(&change).expect("can be signed");
        assert_eq!(jwt.verify(&token, NOW).err(), flaw, "{change:?}");
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    for endless in [
        r#"{"iss":"us","aud":"push"}"#,
        r#"{"exp":"1900000000"}"#,
        "[]",
    ] {
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(endless));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        assert_eq!(
            jwt.verify(&format!("{signed}.{signature}"), NOW),
            Err(Flaw::Malformed)
        );
    }
}

#[test]
fn a_weak_or_broken_key_is_refused() {
    assert_eq!(Key::hs256("short").err(), Some(KeyError::Short));
    for pem in [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        assert_eq!(Key::ed25519(pem).err(), Some(KeyError::Pem));
    }
    let (_, public, _) = ed25519();
    assert_eq!(public.sign(&claims()), Err(KeyError::Public));
    assert!(!format!("{:?}", hs256()).contains("thirty"));
}

#[tokio::test]
async fn a_credential_is_of_one_channel_challenge_and_client() {
    let jwt = Jwt::new([hs256()]);
    let grant = claims().grant(Duration::ZERO).expect("makes sense");
    let good = Claims {
        channel: Some("vault".into()),
        challenge: Some("c".into()),
        exp: now().as_secs() + 60,
        ..Claims::default()
    };
    for (credential, is_good) in [
        (good.clone(), true),
        (
            Claims {
                sub: Some("ann".into()),
                ..good.clone()
            },
            true,
        ),
        (
            Claims {
                sub: Some("eve".into()),
                ..good.clone()
            },
            false,
        ),
        (
            Claims {
                challenge: Some("d".into()),
                ..good.clone()
            },
            false,
        ),
        (
            Claims {
                channel: Some("other".into()),
                ..good.clone()
            },
            false,
        ),
        (
            Claims {
                exp: 1,
                ..good.clone()
            },
            false,
        ),
    ] {
        let token = hs256().sign(&credential).expect("can be signed");
        let verdict = jwt.check_credential(&grant, "vault", "c", &token).await;
        assert_eq!(verdict, is_good, "{credential:?}");
    }
    // It lets nobody in.
    let token = hs256().sign(&good).expect("can be signed");
    assert!(jwt.authenticate(Some(&token)).await.is_err());
}
