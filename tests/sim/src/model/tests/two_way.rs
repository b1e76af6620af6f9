//! What goes both ways: publishes, members, tokens.

use downlink_core::{Ack, Member, PresenceChanges, Retry};

use super::*;
use crate::{
    channel::Place,
    model::{asking::Asking, presence::Presence, publishes::Publishes},
    server::Room,
};

/// A publish with this id, which has taken effect or not.
fn published(id: u64, has_effect: bool) -> (Publishes, Servers) {
    let mut servers = History::new(1).servers;
    servers.session.keeps = 60_000;
    if has_effect {
        let place = Place { log: 0, seq: 1 };
        servers.session.take_effect(id, place);
    }
    let mut publishes = Publishes::default();
    publishes.on_publish(id, 0);

    (publishes, servers)
}

fn ack(at: &str) -> Result<Ack, Reason> {
    let mut ack = Ack::default();
    ack.cursor = Some(at.parse().unwrap());

    Ok(ack)
}

/// How a publish that took effect or did not may end.
fn ends(has_effect: bool, result: &Result<Ack, Reason>) -> Option<Rule> {
    let (mut publishes, servers) = published(7, has_effect);
    let ended = publishes.on_ended(7, result, false, &servers, 10);

    ended.err().map(|broken| broken.rule)
}

#[test]
fn an_ack_is_of_what_took_effect_and_of_its_place() {
    assert_eq!(ends(true, &ack("e0:1")), None);
    assert_eq!(ends(true, &ack("e0:2")), Some(Rule::Publish));
    assert_eq!(ends(false, &ack("e0:1")), Some(Rule::Publish));
}

#[test]
fn what_took_effect_neither_expires_nor_is_cancelled() {
    for reason in [Reason::Expired, Reason::Cancelled] {
        assert_eq!(ends(false, &Err(reason.clone())), None);
        assert_eq!(ends(true, &Err(reason)), Some(Rule::Publish));
    }
}

#[test]
fn a_refusal_and_an_unknown_end_have_a_cause() {
    let refused = Reason::Refused {
        code: "rejected".into(),
        retry: Retry::Never,
    };
    for reason in [refused, Reason::Unanswered] {
        assert_eq!(ends(false, &Err(reason)), Some(Rule::Publish));
    }
}

#[test]
fn a_publish_that_ends_twice_or_takes_effect_after_its_end_is_noticed() {
    let (mut publishes, mut servers) = published(7, false);
    let end = Err(Reason::Expired);
    assert!(publishes.on_ended(7, &end, false, &servers, 10).is_ok());
    assert!(publishes.check(&servers).is_ok());
    assert!(publishes.on_ended(7, &end, false, &servers, 10).is_err());

    let place = Place { log: 0, seq: 1 };
    servers.session.take_effect(7, place);
    assert!(publishes.check(&servers).is_err());
}

/// A look at a room in which a came, then b, then a went.
struct Looking(Presence, [Room; 1]);

impl Looking {
    fn new() -> Self {
        let mut room = Room::new();
        room.put("a", 1, Some(b"x".to_vec()));
        room.put("b", 1, Some(b"x".to_vec()));
        room.put("a", 1, None);
        let mut presence = Presence::default();
        presence.on_look(1, 0);

        Self(presence, [room])
    }

    fn hears(&mut self, revision: &str, joined: &[&str], left: &[&str]) -> bool {
        let member = |id: &&str| Member::new((*id).into(), 1, Payload::from(&b"x"[..]));
        let mut changes = PresenceChanges::at(revision.parse().unwrap());
        changes.joined = joined.iter().map(member).collect();
        changes.left = left.iter().map(member).collect();

        self.0.on_changes(1, &changes, &self.1).is_ok()
    }
}

#[test]
fn members_told_as_they_were_are_accepted() {
    let mut looking = Looking::new();

    assert!(looking.hears("p0:1", &["a"], &[]));
    assert!(looking.0.check(&looking.1).is_err(), "it is behind");
    assert!(looking.hears("p0:3", &["b"], &["a"]));
    assert!(looking.0.check(&looking.1).is_ok());
}

#[test]
fn members_told_as_they_were_not_are_noticed() {
    for (revision, joined, left) in [
        ("p0:1", &["b"][..], &[][..]),
        ("p0:2", &["a"], &[]),
        ("p0:1", &["a", "a"], &[]),
        ("p0:3", &["b"], &["a"]),
        ("p0:9", &["a"], &[]),
        ("p1:1", &["a"], &[]),
    ] {
        let mut looking = Looking::new();
        assert!(!looking.hears(revision, joined, left), "{revision}");
    }
    let mut looking = Looking::new();
    assert!(looking.hears("p0:2", &["a", "b"], &[]));
    assert!(!looking.hears("p0:1", &[], &["b"]), "that was before");
}

#[test]
fn a_look_that_ends_for_no_cause_and_a_wish_without_answer_are_noticed() {
    let mut looking = Looking::new();
    assert!(looking.hears("p0:3", &["b"], &[]));
    looking.0.on_wish(5);
    assert!(looking.0.check(&looking.1).is_err());
    assert!(looking.0.on_wish_ended(5).is_ok());
    assert!(looking.0.on_wish_ended(5).is_err());
    assert!(looking.0.check(&looking.1).is_ok());
    assert!(looking.0.on_look_ended(1, false).is_err());
}

#[test]
fn asking_twice_at_once_or_all_the_time_is_noticed() {
    let mut asking = Asking::default();
    asking.on_asked(0).unwrap();
    assert!(asking.on_asked(1).is_err());

    let mut asking = Asking::default();
    let is_fine = (0..200).all(|at| {
        let is_fine = asking.on_asked(at).is_ok();
        asking.on_answered();
        is_fine
    });
    assert!(!is_fine);
}

#[test]
fn a_token_that_was_refused_is_not_said_again() {
    let mut asking = Asking::default();
    let hello = "hello v=1 token=t1 mode=once\n";
    let io = IoId::new(1);
    asking.on_said(io, hello, true).unwrap();
    asking.on_heard(io, b"hi v=1\nerr - unautho").unwrap();
    asking.on_heard(io, b"rized retry=token\n").unwrap();
    assert!(asking.on_said(IoId::new(2), hello, true).is_err());
    asking
        .on_said(IoId::new(2), "hello v=1 token=t2\n", true)
        .unwrap();
}
