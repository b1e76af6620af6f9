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
    let height = bar_height(area.height);
    let [machine, members] =
        Layout::vertical([Constraint::Length(5 * height + 2), Constraint::Fill(1)]).areas(area);

    draw_gauges(frame, machine, &model.gauges, height);
    draw_members(frame, members, model);
}

/// Where there is room, bars are higher; the members have the rest.
fn bar_height(rows: u16) -> u16 {
    (rows.saturating_sub(12) / 5).clamp(1, 4)
}

fn draw_gauges(frame: &mut Frame<'_>, area: Rect, gauges: &[Gauge; 5], height: u16) {
    let block = framed(" this machine ");
    let rows = Layout::vertical([Constraint::Length(height); 5]).areas::<5>(block.inner(area));
    frame.render_widget(block, area);

    for (gauge, row) in gauges.iter().zip(rows) {
        let [name, value, bars] = Layout::horizontal([
            Constraint::Length(10),
            Constraint::Length(11),
            Constraint::Fill(1),
        ])
        .areas(row);
        let levels = u64::from(height) * 8;
        let samples = gauge.bars(usize::from(bars.width), levels);
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
                .max(levels)
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
