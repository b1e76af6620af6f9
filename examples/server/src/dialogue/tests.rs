use super::*;
use crate::{Config, Message, frame::read_all};

#[test]
fn a_channel_that_fills_every_batch_does_not_starve_the_others() {
    let server = Server::new(Config::default());
    let mut dialogue = Dialogue::new(server.clone(), Carrier::Lines);
    let (hello, _) = read_all(b"hello v=1 session=c2Vzc2lvbi1leGFtcGxlMQ");
    let hello = Hello::read(&hello[0]).unwrap();
    dialogue.welcome(&hello, Default::default());
    let (subs, _) = read_all(b"sub 1 busy earliest\nsub 2 calm earliest\n");
    dialogue.take(subs, &Consent::default()).unwrap();
    for number in 0..MAX_EVENTS * 3 {
        let message = Message::new("n", number.to_string());
        server.publish("busy", message).unwrap();
    }
    server.publish("calm", Message::new("n", "0")).unwrap();

    let mut batches = (0..2).map(|_| {
        let mut lines = Vec::new();
        let _is_full = dialogue.pull(&mut lines);
        let (frames, _) = read_all(&lines);
        frames.iter().any(|frame| frame.words[0] == "2")
    });

    assert_eq!(batches.next(), Some(false));
    assert_eq!(batches.next(), Some(true));
}
