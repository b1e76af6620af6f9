//! The right: what carries the events over time, and what happened.

use downlink::TransportKind;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{BAD, FAINT, GOOD, KEY, STRONG, WARN, framed};
use crate::{
    demo::live::{
        log::{Entry, Tone},
        model::Model,
        track::Mark,
    },
    span,
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let [track, log] = Layout::vertical([Constraint::Length(7), Constraint::Fill(1)]).areas(area);

    draw_track(frame, track, model);
    draw_log(frame, log, model);
}

fn draw_track(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = framed(" transports: █ carries, × fails, ░ none ");
    let width = usize::from(block.inner(area).width).saturating_sub(LABEL);
    let carrier = model.status.transport();
    let lines: Vec<_> = TransportKind::ALL
        .into_iter()
        .map(|transport| {
            let first_frame = model.status.first_frame(transport).map(span::show);
            let label = format!("{transport:10}");
            let style = if carrier == Some(transport) {
                STRONG
            } else {
                FAINT
            };
            let mut spans = vec![
                Span::styled(label, style),
                Span::styled(format!("{:>7} ", first_frame.unwrap_or_default()), FAINT),
            ];
            let marks: Vec<_> = model.track.marks(transport, width).collect();
            spans.push(Span::raw(" ".repeat(width - marks.len())));
            spans.extend(marks.into_iter().map(|mark| match mark {
                Mark::Carried => Span::styled("█", colour(transport)),
                Mark::Failed => Span::styled("×", BAD),
                Mark::Idle => Span::styled("·", FAINT),
                Mark::Outage => Span::styled("░", BAD),
            }));
            Line::from(spans)
        })
        .collect();

    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// The better the transport, the greener.
fn colour(transport: TransportKind) -> ratatui::style::Style {
    match transport {
        TransportKind::WebSocket => GOOD,
        TransportKind::Sse | TransportKind::Stream => KEY,
        TransportKind::LongPoll | TransportKind::Poll => WARN,
    }
}

fn draw_log(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = framed(" what happens ");
    let inner = block.inner(area);
    let width = usize::from(inner.width).saturating_sub(TIME);
    let mut lines: Vec<_> = model
        .log
        .entries
        .iter()
        .rev()
        .flat_map(|entry| written(entry, width).into_iter().rev())
        .take(usize::from(inner.height))
        .collect();
    lines.reverse();

    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// An entry, on as many lines as it needs.
fn written(entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let style = match entry.tone {
        Tone::Bad => BAD,
        Tone::Good => GOOD,
        Tone::Key => KEY,
        Tone::Minor => FAINT,
    };
    let mut text = entry.text.clone();
    if entry.times > 1 {
        text.push_str(&format!(" (×{})", entry.times));
    }
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last().map_or(0, |row| row.chars().count());
        if row > 0 && row + 1 + word.chars().count() > width {
            rows.push(word.into());
        } else if let Some(last) = rows.last_mut() {
            if row > 0 {
                last.push(' ');
            }
            last.push_str(word);
        }
    }

    rows.into_iter()
        .enumerate()
        .map(|(index, row)| {
            let time = match index {
                0 => format!("{:>6.1}  ", entry.at.as_secs_f64()),
                _ => " ".repeat(TIME),
            };
            Line::from(vec![Span::styled(time, FAINT), Span::styled(row, style)])
        })
        .collect()
}

const LABEL: usize = 18;
const TIME: usize = 8;
