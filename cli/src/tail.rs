//! `downlink tail`: prints what an application is told.

mod begin;
mod bookmark;
mod filter;
mod output;
mod printer;

use std::{
    future::ready, num::NonZeroU64, ops::ControlFlow, path::PathBuf, pin::pin, process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use clap::Args;
use downlink::{Delivery, Reason, Start};
use futures_util::{StreamExt, stream::SelectAll};
use tokio::{
    select,
    time::{MissedTickBehavior, interval},
};

pub(crate) use self::printer::printable;
use self::{begin::Begin, bookmark::Bookmark, filter::Filter, printer::Printer};
use crate::{
    connection::{Connection, channel},
    ending,
};

/// Subscribes to channels and prints their events, gaps and the state of the connection.
///
/// On a terminal, a line at the bottom tells how the connection is doing: the transport, how long its first frame took, the
/// events a second, and how old the latest was when it came.
///
/// Ends with exit code 1 if the server refuses for good, and with 0 on Ctrl-C, after --count events or when nobody reads its
/// output any more.
#[derive(Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    connection: Connection,
    /// Channels to subscribe to
    #[arg(required = true, value_name = "CHANNEL", value_parser = channel)]
    channels: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    begin: Begin,
    /// Go on behind the positions in this file, and store there up to where each channel is printed: each event at least once,
    /// however the program ends, and at most one of them twice
    ///
    /// A channel that is not in the file yet begins as --since or --last say. Events that filters leave out are finished too.
    /// Two programs at a time need two files.
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
}

impl Tail {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let bookmark = self
            .cursor_file
            .as_deref()
            .map(Bookmark::open)
            .transpose()?;
        let client = self.connection.builder()?.connect()?;
        let mut trials = client.trials();
        let mut states = client.states();
        let mut deliveries = SelectAll::new();
        for channel in self.channels {
            let position = match &bookmark {
                Some(bookmark) => bookmark.position(&channel)?,
                None => None,
            };
            let start = position.map_or_else(|| self.begin.start(), Start::After);
            let subscription = client.subscribe(channel.as_str(), start);
            deliveries.push(subscription.map(move |item| (channel.clone(), item)));
        }
        let mut reader = Reader {
            filter: self.filter,
            // An event is printed before it is finished.
            printer: Printer::new(self.json, bookmark.is_some()),
            bookmark,
            left: self.count.map(NonZeroU64::get),
            has_failed: false,
        };
        let mut ending = pin!(ending::asked());
        let mut ticks = interval(REDRAW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

        loop {
            select! {
                biased;
                () = &mut ending => break,
                _ = ticks.tick() => reader.settle()?,
                Some(trial) = trials.next() => reader.printer.trial(&trial),
                Some(state) = states.next() => reader.printer.state(&state)?,
                item = deliveries.next() => {
                    let Some((channel, item)) = item else {
                        break;
                    };
                    if reader.take(&channel, item)?.is_break() {
                        break;
                    }
                }
                // Nothing more is there at once.
                () = ready(()), if !reader.is_settled() => reader.settle()?,
            }
        }
        reader.finish()?;
        client.close().await;

        Ok(if reader.has_failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// What becomes of each delivery.
struct Reader {
    filter: Filter,
    printer: Printer,
    bookmark: Option<Bookmark>,
    /// So many events are still to be printed; `None`: all.
    left: Option<u64>,
    has_failed: bool,
}

impl Reader {
    fn take(&mut self, channel: &str, item: Result<Delivery, Reason>) -> Result<ControlFlow<()>> {
        let (cursor, is_shown) = match &item {
            Ok(Delivery::Event(event)) => {
                self.printer.count(event);
                let is_shown = self.filter.lets_through(event);
                if is_shown {
                    self.printer.event(event)?;
                    self.left = self.left.map(|left| left - 1);
                }
                (&event.cursor, is_shown)
            }
            Ok(Delivery::Gap(gap)) => {
                self.printer.gap(gap)?;
                (&gap.to, true)
            }
            Err(reason) => {
                self.has_failed = true;
                self.printer.end(channel, reason)?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        if let Some(bookmark) = &mut self.bookmark {
            bookmark.finish(channel, cursor);
            if is_shown {
                bookmark.store()?;
            }
        }

        Ok(if self.left == Some(0) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    fn is_settled(&self) -> bool {
        self.printer.is_settled() && self.bookmark.as_ref().is_none_or(Bookmark::is_stored)
    }

    fn settle(&mut self) -> Result<()> {
        self.printer.settle()?;
        self.bookmark.as_mut().map_or(Ok(()), Bookmark::store)
    }

    fn finish(&mut self) -> Result<()> {
        self.printer.finish()?;
        self.bookmark.as_mut().map_or(Ok(()), Bookmark::store)
    }
}

const REDRAW: Duration = Duration::from_millis(500);
