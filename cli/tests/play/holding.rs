//! A hop that collects answers.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// Passes on all that comes back in lots of so many bytes, or at its end.
pub(crate) struct Holding {
    pub(crate) url: String,
}

impl Holding {
    pub(crate) fn before(url: &str, lot: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = url.trim_start_matches("http://");
        let upstream = upstream.trim_end_matches("/downlink").to_owned();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&upstream).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || carry(from, to, 0));
                thread::spawn(move || carry(server, client, lot));
            }
        });

        Self {
            url: format!("http://{address}/downlink"),
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, lot: usize) {
    let mut held = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        held.extend_from_slice(&bytes[..count]);
        // The end of an answer in chunks.
        if held.len() > lot || held.ends_with(b"\r\n0\r\n\r\n") {
            let _is_gone = to.write_all(&held);
            held.clear();
        }
    }
    let _is_gone = to.write_all(&held);
    let _is_gone = to.shutdown(Shutdown::Write);
}
