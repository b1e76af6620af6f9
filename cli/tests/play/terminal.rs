//! A terminal that a program runs in, and its screen.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use vt100::Parser;

use super::PATIENCE;

/// A pseudo-terminal by `script`, of util-linux.
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Screen>>,
}

struct Screen {
    parser: Parser,
    raw: Vec<u8>,
}

impl Terminal {
    /// Runs a line of shell in a terminal of this size; `$DOWNLINK` is the program.
    pub(crate) fn start(rows: u16, columns: u16, line: &str) -> Self {
        // Ctrl-C is for the program, and the shell goes on.
        let line = format!("trap : INT; stty rows {rows} cols {columns}; {line}");
        let mut child = Command::new("script")
            .args(["-qfec", &line, "/dev/null"])
            .env("DOWNLINK", env!("CARGO_BIN_EXE_downlink"))
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(Screen {
            parser: Parser::new(size(rows), size(columns), 0),
            raw: Vec::new(),
        }));
        thread::spawn({
            let screen = screen.clone();
            move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = output.read(&mut buffer) {
                    let mut screen = screen.lock().unwrap();
                    screen.parser.process(&buffer[..count]);
                    screen.raw.extend(&buffer[..count]);
                }
            }
        });

        Self {
            child,
            keys,
            screen,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().parser.screen().contents()
    }

    pub(crate) fn shows_cursor(&self) -> bool {
        !self.screen.lock().unwrap().parser.screen().hide_cursor()
    }

    /// All that was ever written to it.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap().raw).into_owned()
    }

    /// Looks until the screen is like this.
    pub(crate) fn until(&self, is_it: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if is_it(&text) {
                return text;
            }
            assert!(
                Instant::now() < end,
                "the screen is never like that:\n{text}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes the terminal another size, as a user does who pulls at its window.
    pub(crate) fn resize(&self, tty: &str, rows: u16, columns: u16) {
        let mut screen = self.screen.lock().unwrap();
        screen
            .parser
            .screen_mut()
            .set_size(size(rows), size(columns));
        drop(screen);
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let resized = Command::new("stty")
            .args(["-F", tty, "rows", &rows, "cols", &columns])
            .status();
        assert!(resized.unwrap().success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _has_ended = self.child.kill();
        let _has_ended = self.child.wait();
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap()
}
