//! The machine's figures over time.

use std::collections::VecDeque;

use serde_json::Value;

/// One of the figures.
pub(super) struct Gauge {
    pub(super) name: &'static str,
    unit: &'static str,
    key: &'static str,
    scale: Scale,
    latest: Option<f64>,
    /// One a sample; `None` where nothing came.
    samples: VecDeque<Option<f64>>,
    is_fresh: bool,
}

/// What a bar's height means.
enum Scale {
    /// From the least of the samples to the most.
    Between,
    /// From zero to this.
    To(f64),
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
            is_fresh: false,
        };

        [
            gauge("cpu", "cpu", " %", Scale::To(100.0)),
            gauge("memory", "memory_mib", " MiB", Scale::Between),
            gauge("received", "received_kib_s", " KiB/s", Scale::ToMost),
            gauge("sent", "sent_kib_s", " KiB/s", Scale::ToMost),
            gauge("processes", "processes", "", Scale::Between),
        ]
    }

    pub(super) fn take(&mut self, figures: &Value) {
        if let Some(value) = figures[self.key].as_f64() {
            self.latest = Some(value);
            self.is_fresh = true;
        }
    }

    /// Ends a sample.
    pub(super) fn sample(&mut self) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples
            .push_back(self.latest.filter(|_| self.is_fresh));
        self.is_fresh = false;
    }

    pub(super) fn text(&self) -> String {
        self.latest
            .map_or_else(|| "-".into(), |value| format!("{value}{}", self.unit))
    }

    /// The last `count` samples as heights from 1 to [`Gauge::HEIGHT`].
    pub(super) fn bars(&self, count: usize) -> Vec<Option<u64>> {
        let shown = self.samples.len().min(count);
        let samples = || self.samples.range(self.samples.len() - shown..);
        let least = samples().flatten().copied().fold(f64::INFINITY, f64::min);
        let most = samples().flatten().copied().fold(0.0, f64::max);
        let (from, to) = match self.scale {
            Scale::Between => (least, most),
            Scale::To(most) => (0.0, most),
            Scale::ToMost => (0.0, most),
        };

        samples()
            .map(|sample| {
                let share = (((*sample)? - from) / (to - from)).clamp(0.0, 1.0);
                let heights = [1, 2, 3, 4, 5, 6, 7, Self::HEIGHT];
                // No spread at all: NaN, which is counted as nothing.
                let above = heights.iter().filter(|step| share * 8.0 >= **step as f64);
                Some(u64::try_from(above.count()).unwrap_or(0).max(1))
            })
            .collect()
    }

    pub(super) const HEIGHT: u64 = 8;
}

/// More than any screen is wide.
const KEPT: usize = 600;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn silence_is_a_hole_in_the_bars() {
        let [mut cpu, ..] = Gauge::all();
        for figure in [json!(0), json!(50), json!(null), json!(100)] {
            cpu.take(&json!({ "cpu": figure }));
            cpu.sample();
        }

        assert_eq!(cpu.bars(9), [Some(1), Some(4), None, Some(8)]);
        assert_eq!(cpu.bars(2), [None, Some(8)]);
    }

    #[test]
    fn what_does_not_change_is_low() {
        let [_, mut memory, ..] = Gauge::all();
        for _ in 0..2 {
            memory.take(&json!({ "memory_mib": 900 }));
            memory.sample();
        }

        assert_eq!(memory.bars(2), [Some(1), Some(1)]);
        assert_eq!(memory.text(), "900 MiB");
    }
}
