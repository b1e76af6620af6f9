//! The live table.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use downlink::TransportKind;
use serde_json::{Value, json};

/// How a client fared on one network.
pub(super) struct Row {
    name: &'static str,
    pub(super) transport: Option<TransportKind>,
    pub(super) best: Option<TransportKind>,
    pub(super) first: Option<Duration>,
    pub(super) events: usize,
    pub(super) lost: usize,
    pub(super) doubled: usize,
    pub(super) gaps: usize,
    latest: String,
}

impl Row {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            transport: None,
            best: None,
            first: None,
            events: 0,
            lost: 0,
            doubled: 0,
            gaps: 0,
            latest: String::new(),
        }
    }

    /// Keeps the figures of the latest event.
    pub(super) fn show(&mut self, data: &[u8]) {
        let Ok(figures) = serde_json::from_slice::<Value>(data) else {
            return;
        };
        self.latest = format!(
            "cpu {} %, memory {} MiB, processes {}",
            figures["cpu"], figures["memory_mib"], figures["processes"]
        );
    }

    pub(super) fn is_well(&self) -> bool {
        self.events > 0 && self.lost == 0 && self.doubled == 0 && self.gaps == 0
    }

    fn columns(&self) -> String {
        let transport = self.transport.map_or("-", TransportKind::name);
        let first = self.first.map_or_else(
            || "-".into(),
            |first| format!("{:.0} ms", first.as_secs_f64() * 1e3),
        );

        format!(
            "{:36} {transport:10} {first:>8} {:>6} {:>4} {:>7} {:>4}",
            self.name, self.events, self.lost, self.doubled, self.gaps
        )
    }
}

/// Rows that stay, and one that is redrawn.
pub(super) struct Table {
    json: bool,
    is_live: bool,
}

impl Table {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            // Without escapes nothing can be redrawn.
            is_live: !json
                && io::stdout().is_terminal()
                && anstream::stdout().current_choice() != ColorChoice::Never,
        }
    }

    pub(super) fn begin(&self, line: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut output = anstream::stdout().lock();
        writeln!(output, "{line}\n")?;
        writeln!(
            output,
            "{HEAD}{:36} {:10} {:>8} {:>6} {:>4} {:>7} {:>4}{HEAD:#}",
            "network", "transport", "first", "events", "lost", "doubled", "gaps"
        )?;

        output.flush()
    }

    /// Redraws the row that is under way, where there is a terminal.
    pub(super) fn draw(&self, row: &Row) -> io::Result<()> {
        if !self.is_live {
            return Ok(());
        }
        let mut output = anstream::stdout().lock();
        write!(
            output,
            "\r\x1b[2K{}\n\x1b[2K{FAINT}  {}{FAINT:#}\x1b[1A\r",
            row.columns(),
            row.latest
        )?;

        output.flush()
    }

    pub(super) fn end(&self, row: &Row) -> io::Result<()> {
        let mut output = anstream::stdout().lock();
        if self.json {
            let object = json!({
                "network": row.name,
                "transport": row.transport.map(TransportKind::name),
                "best": row.best.map(TransportKind::name),
                "first_ms": row.first.map(|first| first.as_secs_f64() * 1e3),
                "events": row.events,
                "lost": row.lost,
                "doubled": row.doubled,
                "gaps": row.gaps,
            });
            writeln!(output, "{object}")?;
        } else {
            let style = if row.is_well() { GOOD } else { BAD };
            let clear = if self.is_live { "\r\x1b[2K" } else { "" };
            writeln!(output, "{clear}{style}{}{style:#}", row.columns())?;
        }

        output.flush()
    }

    pub(super) fn close(&self) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut output = anstream::stdout().lock();
        let clear = if self.is_live { "\r\x1b[2K" } else { "" };
        writeln!(
            output,
            "{clear}\nlost and doubled: the client's list against the server's log"
        )?;

        output.flush()
    }
}

const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
