//! Programs that run, are listened to, and end with the test.
#![allow(dead_code, reason = "each file of tests needs a part of it")]

pub(crate) mod holding;
pub(crate) mod terminal;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use downlink_hop::{Options, Plan};
use serde_json::Value;
use tokio::runtime::Runtime;

/// A program and what it has said so far.
pub(crate) struct Program {
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    lines: Mutex<Option<Receiver<String>>>,
    said: Mutex<Vec<Value>>,
}

/// `downlink` with these arguments.
pub(crate) fn downlink(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_downlink"));
    command.args(arguments);

    command
}

/// The server in Python.
pub(crate) fn minimal_server(arguments: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/minimal/server.py");
    let mut command = Command::new("python3");
    command.arg("-u").arg(script).args(arguments);

    command
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });

        Self {
            child: Mutex::new(child),
            input: Mutex::new(input),
            lines: Mutex::new(Some(lines)),
            said: Mutex::default(),
        }
    }

    pub(crate) fn say(&self, line: &str) {
        let mut input = self.input.lock().unwrap();
        writeln!(input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        let id = self.child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
    }

    /// Ends it without a word.
    pub(crate) fn kill(&self) {
        self.child.lock().unwrap().kill().unwrap();
    }

    pub(crate) fn hear_line(&self) -> String {
        let lines = self.lines.lock().unwrap();

        lines.as_ref().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn hear(&self) -> Value {
        let line = self.hear_line();
        let line: Value = serde_json::from_str(&line).unwrap();
        self.said.lock().unwrap().push(line.clone());

        line
    }

    /// Listens until it says something like this.
    pub(crate) fn until(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < end,
                "never said: {:?}",
                self.said.lock().unwrap().last()
            );
            let line = self.hear();
            if is_it(&line) {
                return line;
            }
        }
    }

    pub(crate) fn heard(&self, is_it: impl Fn(&Value) -> bool) -> usize {
        self.said
            .lock()
            .unwrap()
            .iter()
            .filter(|line| is_it(line))
            .count()
    }

    pub(crate) fn all(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    /// Closes its output, as `head` does.
    pub(crate) fn stop_listening(&mut self) {
        *self.lines.lock().unwrap() = None;
    }

    /// Listens to the end, and returns its exit code.
    pub(crate) fn wait(&self) -> Option<i32> {
        if let Some(lines) = &*self.lines.lock().unwrap() {
            loop {
                match lines.recv_timeout(PATIENCE * 2) {
                    Ok(line) => {
                        let line = serde_json::from_str(&line).unwrap();
                        self.said.lock().unwrap().push(line);
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
                }
            }
        }

        self.child.lock().unwrap().wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _has_ended = child.kill();
        let _has_ended = child.wait();
    }
}

/// A hop before a server.
pub(crate) struct Hop {
    hop: downlink_hop::Hop,
    _runtime: Runtime,
    pub(crate) url: String,
}

impl Hop {
    pub(crate) fn before(url: &str) -> Self {
        let upstream = url
            .trim_start_matches("http://")
            .trim_end_matches("/downlink");
        let runtime = Runtime::new().unwrap();
        let options = Options::new(upstream.parse().unwrap());
        let hop = runtime.block_on(downlink_hop::Hop::start(options)).unwrap();

        Self {
            url: format!("http://{}/downlink", hop.address()),
            hop,
            _runtime: runtime,
        }
    }

    pub(crate) fn cut(&self) {
        self.hop.cut();
    }

    pub(crate) fn set(&self, plan: Plan) {
        self.hop.set(plan);
    }
}

/// A server that says the same to everybody.
pub(crate) struct Wrong {
    pub(crate) url: String,
}

impl Wrong {
    pub(crate) fn answering(frames: &str) -> Self {
        Self::leaving_after(usize::MAX, frames)
    }

    /// One that is gone after so many connections.
    pub(crate) fn leaving_after(connections: usize, frames: &str) -> Self {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
        let answer = format!("{head}Content-Length: {}\r\n\r\n{frames}", frames.len());

        Self::saying(connections, answer)
    }

    /// One that says this, head and all.
    pub(crate) fn verbatim(answer: &str) -> Self {
        Self::saying(usize::MAX, answer.into())
    }

    fn saying(connections: usize, answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/downlink", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().take(connections).map_while(Result::ok) {
                let answer = answer.clone();
                thread::spawn(move || {
                    let _is_slow = stream.set_read_timeout(Some(Duration::from_millis(50)));
                    let mut request = [0; 4096];
                    let _is_empty = stream.read(&mut request);
                    let _is_gone = stream.write_all(answer.as_bytes());
                    let _is_gone = stream.read(&mut request);
                });
            }
        });

        Self { url }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
