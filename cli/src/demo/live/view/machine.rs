//! The left: the machine's figures, and who is there.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Paragraph, Sparkline, SparklineBar},
};

use super::{FAINT, GOOD, KEY, STRONG, framed};
use crate::{
    demo::live::{gauges::Gauge, model::Model},
    tail::printable,
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let gauges = u16::try_from(model.gauges.len()).unwrap_or(u16::MAX);
    let [machine, members] =
        Layout::vertical([Constraint::Length(gauges + 2), Constraint::Fill(1)]).areas(area);

    draw_gauges(frame, machine, &model.gauges);
    draw_members(frame, members, model);
}

fn draw_gauges(frame: &mut Frame<'_>, area: Rect, gauges: &[Gauge; 5]) {
    let block = framed(" this machine ");
    let rows = Layout::vertical([Constraint::Length(1); 5]).areas::<5>(block.inner(area));
    frame.render_widget(block, area);

    for (gauge, row) in gauges.iter().zip(rows) {
        let [name, value, bars] = Layout::horizontal([
            Constraint::Length(10),
            Constraint::Length(11),
            Constraint::Fill(1),
        ])
        .areas(row);
        let samples = gauge.bars(usize::from(bars.width));
        // The newest is at the right.
        let [_, bars] = Layout::horizontal([
            Constraint::Fill(1),
            Constraint::Length(u16::try_from(samples.len()).unwrap_or(u16::MAX)),
        ])
        .areas(bars);

        frame.render_widget(Line::styled(gauge.name, FAINT), name);
        frame.render_widget(Line::styled(gauge.text(), STRONG), value);
        frame.render_widget(
            Sparkline::default()
                .data(samples.into_iter().map(SparklineBar::from))
                .max(Gauge::HEIGHT)
                .absent_value_symbol("·")
                .absent_value_style(FAINT)
                .style(KEY),
            bars,
        );
    }
}

fn draw_members(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let lines: Vec<_> = model
        .members
        .iter()
        .map(|member| {
            let devices = "●".repeat(member.sessions.min(5).try_into().unwrap_or(1));
            let data = printable(&String::from_utf8_lossy(&member.data));
            Line::from(vec![
                Span::styled(format!("{:10}", printable(&member.id)), STRONG),
                Span::styled(format!("{devices:5} "), GOOD),
                Span::styled(data, FAINT),
            ])
        })
        .collect();
    let title = format!(" here: {}, ● a device each ", model.members.len());

    frame.render_widget(Paragraph::new(lines).block(framed(title)), area);
}
