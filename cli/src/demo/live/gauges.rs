//! The machine's figures over time.

use std::collections::VecDeque;

use serde_json::Value;

/// One of the figures.
pub(super) struct Gauge {
    pub(super) name: &'static str,
    unit: &'static str,
    key: &'static str,
    scale: Scale,
    latest: Option<u64>,
    /// In tenths; `None` where nothing came.
    samples: VecDeque<Option<u64>>,
    /// So many samples ago.
    age: usize,
}

/// What a bar's height means.
enum Scale {
    /// From the least of the samples to the most.
    Between,
    /// From zero to this.
    To(u64),
    /// From zero to the most of the samples.
    ToMost,
}

impl Gauge {
    pub(super) fn all() -> [Self; 5] {
        let gauge = |name, key, unit, scale| Self {
            name,
            unit,
            key,
            scale,
            latest: None,
            samples: VecDeque::new(),
            age: 0,
        };

        [
            gauge("cpu", "cpu", " %", Scale::To(1_000)),
            gauge("memory", "memory_mib", " MiB", Scale::Between),
            gauge("received", "received_kib_s", " KiB/s", Scale::ToMost),
            gauge("sent", "sent_kib_s", " KiB/s", Scale::ToMost),
            gauge("processes", "processes", "", Scale::Between),
        ]
    }

    pub(super) fn take(&mut self, figures: &Value) {
        if let Some(value) = figures[self.key].as_f64() {
            // Saturates where it does not fit.
            self.latest = Some((value * 10.0).round() as u64);
            self.age = 0;
        }
    }

    /// Ends a sample.
    pub(super) fn sample(&mut self) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples
            .push_back(self.latest.filter(|_| self.age < FRESH));
        self.age += 1;
    }

    pub(super) fn text(&self) -> String {
        let Some(tenths) = self.latest else {
            return "-".into();
        };
        let (whole, rest) = (tenths / 10, tenths % 10);
        match self.scale {
            Scale::To(_) => format!("{whole}.{rest}{}", self.unit),
            Scale::Between | Scale::ToMost => format!("{whole}{}", self.unit),
        }
    }

    /// The last `count` samples as heights from 1 to `most`.
    pub(super) fn bars(&self, count: usize, most: u64) -> Vec<Option<u64>> {
        let shown = self.samples.len().min(count);
        let samples = || self.samples.range(self.samples.len() - shown..);
        let highest = samples().flatten().copied().max();
        let lowest = samples().flatten().copied().min();
        let (from, to) = match self.scale {
            Scale::Between => (lowest, highest),
            Scale::To(most) => (Some(0), Some(most)),
            Scale::ToMost => (Some(0), highest),
        };
        let from = from.unwrap_or(0);
        let range = to.unwrap_or(0).saturating_sub(from).max(1);

        samples()
            .map(|sample| Some(((*sample)?.saturating_sub(from) * most / range).clamp(1, most)))
            .collect()
    }
}

/// What a poll brings is good until the next one.
const FRESH: usize = 3;
/// More than any screen is wide.
const KEPT: usize = 600;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn silence_is_a_hole_in_the_bars() {
        let [mut cpu, ..] = Gauge::all();
        let silent = json!(null);
        for figure in [
            json!(0),
            json!(50),
            silent.clone(),
            silent.clone(),
            silent,
            json!(100),
        ] {
            cpu.take(&json!({ "cpu": figure }));
            cpu.sample();
        }

        let held = Some(4);
        assert_eq!(cpu.bars(9, 8), [Some(1), held, held, held, None, Some(8)]);
        assert_eq!(cpu.bars(2, 8), [None, Some(8)]);
    }

    #[test]
    fn what_does_not_change_is_low() {
        let [_, mut memory, ..] = Gauge::all();
        for _ in 0..2 {
            memory.take(&json!({ "memory_mib": 900 }));
            memory.sample();
        }

        assert_eq!(memory.bars(2, 16), [Some(1), Some(1)]);
        assert_eq!(memory.text(), "900 MiB");
    }
}
