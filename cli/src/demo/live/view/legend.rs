//! The foot: what the hop does, and the keys that change it.

use downlink_hop::Latency;
use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    style::Modifier,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{BAD, FAINT, KEY, STRONG, framed};
use crate::demo::live::controls::{Controls, name};

/// As many columns as fit.
pub(super) struct Legend<'a> {
    controls: &'a Controls,
    keys: Vec<(&'static str, String, bool)>,
    columns: usize,
    width: usize,
}

impl<'a> Legend<'a> {
    pub(super) fn new(controls: &'a Controls, width: u16) -> Self {
        let keys = controls.legend();
        let width = usize::from(width).saturating_sub(2);
        // Even rows look better than a full one and a rest.
        let rows = keys.len().div_ceil((width / CELL).max(1));
        let columns = keys.len().div_ceil(rows);

        Self {
            controls,
            keys,
            columns,
            width,
        }
    }

    /// With the border.
    pub(super) fn height(&self) -> u16 {
        let rows = self.keys.len().div_ceil(self.columns);

        u16::try_from(rows + 2).unwrap_or(u16::MAX)
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect) {
        let cell = self.width / self.columns;
        let lines: Vec<_> = self
            .keys
            .chunks(self.columns)
            .map(|row| {
                row.iter()
                    .flat_map(|(key, label, is_on)| {
                        let style = if *is_on {
                            STRONG.add_modifier(Modifier::REVERSED)
                        } else {
                            FAINT
                        };
                        let used = key.chars().count() + 1 + label.chars().count();
                        [
                            Span::styled(*key, KEY),
                            Span::raw(" "),
                            Span::styled(label.clone(), style),
                            Span::raw(" ".repeat(cell.saturating_sub(used))),
                        ]
                    })
                    .collect::<Line<'_>>()
            })
            .collect();

        let target = Line::styled(format!(" keys hit {} ", self.controls.target.name()), KEY);
        let block = framed(self.title()).title_bottom(target.alignment(Alignment::Right));

        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn title(&self) -> Line<'static> {
        let plan = &self.controls.plan;
        let slow = if plan.latency == Latency::default() {
            ""
        } else {
            ", slow"
        };
        let hostile = |fault| {
            let style = if fault == downlink_hop::Fault::Pass {
                STRONG
            } else {
                BAD
            };
            Span::styled(name(fault), style)
        };

        Line::from(vec![
            Span::raw(" the hop: WebSockets "),
            hostile(plan.websocket),
            Span::raw(", HTTP "),
            hostile(plan.http),
            Span::raw(slow),
            Span::raw(" "),
        ])
    }
}

/// The longest of the labels, its key and a space.
const CELL: usize = 19;
