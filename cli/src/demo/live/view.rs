//! How the screen is drawn. It only reads.

mod connection;
mod legend;
mod machine;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Flex, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, BorderType, Paragraph},
};

use super::model::Model;

/// Draws everything; `unix` is the time of day.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, unix: Duration, now: Instant) {
    let area = frame.area();
    if area.width < LEAST_WIDTH || area.height < LEAST_HEIGHT {
        draw_too_small(frame, area);
        return;
    }

    let legend = legend::Legend::new(&model.controls, area.width);
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(legend.height()),
    ])
    .areas(area);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(42), Constraint::Fill(1)]).areas(body);

    draw_head(frame, head, model, unix, now);
    machine::draw(frame, left, model);
    connection::draw(frame, right, model);
    legend.draw(frame, foot);
}

fn draw_too_small(frame: &mut Frame<'_>, area: Rect) {
    let lines = vec![
        Line::from("make it larger").style(STRONG),
        Line::from(format!("{LEAST_WIDTH}×{LEAST_HEIGHT} at least")).style(FAINT),
    ];
    let [middle] = Layout::vertical([Constraint::Length(2)])
        .flex(Flex::Center)
        .areas(area);

    frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), middle);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, model: &Model, unix: Duration, now: Instant) {
    let light = match model.status.transport() {
        Some(_) => GOOD,
        None => BAD,
    };
    let tally = if model.tally.is_well() { FAINT } else { BAD };
    let status = Line::from(vec![
        Span::styled(" ● ", light),
        Span::styled(model.status.text(unix, now), STRONG),
    ]);
    let complete = Line::styled(format!("   {}", model.tally.text()), tally);
    let url = Line::styled(format!("{} ", model.url), FAINT).alignment(Alignment::Right);

    let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    frame.render_widget(Paragraph::new(status), first);
    let has_room = complete.width() + url.width() < usize::from(second.width);
    frame.render_widget(Paragraph::new(complete), second);
    if has_room {
        frame.render_widget(Paragraph::new(url), second);
    }
}

/// A box with a title.
fn framed(title: impl Into<Line<'static>>) -> Block<'static> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(FAINT)
        .title(title.into().style(STRONG))
}

const LEAST_WIDTH: u16 = 78;
const LEAST_HEIGHT: u16 = 22;

const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red);
const WARN: Style = Style::new().fg(Color::Yellow);
const KEY: Style = Style::new().fg(Color::Cyan);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
