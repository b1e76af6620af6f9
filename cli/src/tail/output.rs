//! Standard output: lines, and a status below them where it is a terminal.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use anstream::{ColorChoice, adapter::strip_str};
use crossterm::terminal;

use super::printer::FAINT;

pub(super) struct Output {
    stream: BufWriter<Stdout>,
    has_colours: bool,
    is_terminal: bool,
    /// Otherwise when nothing more waits to be printed.
    flushes_each: bool,
    /// What of the status is on the screen; the cursor is behind it.
    shown: String,
}

impl Output {
    pub(super) fn new(flushes_each: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();

        Self {
            stream: BufWriter::new(io::stdout()),
            has_colours: anstream::stdout().current_choice() != ColorChoice::Never,
            is_terminal,
            flushes_each: flushes_each || is_terminal,
            shown: String::new(),
        }
    }

    pub(super) fn print(&mut self, line: &str) -> io::Result<()> {
        self.clear()?;
        self.write(line)?;
        writeln!(self.stream)?;
        if self.flushes_each {
            self.stream.flush()?;
        }

        Ok(())
    }

    fn show(&mut self, status: &str) -> io::Result<()> {
        if !self.is_terminal || self.shown == status {
            return Ok(());
        }
        self.clear()?;
        let width = terminal::size().map_or(80, |(width, _)| usize::from(width));
        // A line that wraps could not be taken back.
        let fits: String = status.chars().take(width.saturating_sub(1)).collect();
        self.write(&format!("{FAINT}{fits}{FAINT:#}"))?;
        self.shown = status.into();

        Ok(())
    }

    /// Takes the status back, and passes on what waits.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.clear()?;

        self.stream.flush()
    }

    /// Whether nothing waits to be passed on, and the status is on the screen.
    pub(super) fn is_settled(&self) -> bool {
        self.stream.buffer().is_empty() && !(self.is_terminal && self.shown.is_empty())
    }

    /// Passes on what waits, and draws the status.
    pub(super) fn settle(&mut self, status: &str) -> io::Result<()> {
        self.show(status)?;

        self.stream.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if self.shown.is_empty() {
            return Ok(());
        }
        self.shown.clear();

        self.stream.write_all(b"\r\x1b[2K")
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.has_colours {
            write!(self.stream, "{text}")
        } else {
            write!(self.stream, "{}", strip_str(text))
        }
    }
}
