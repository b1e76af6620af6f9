//! Rows, and the figures in them.

use serde_json::Value;

/// Prints a row: for people, or as one JSON object.
pub(crate) fn print(as_json: bool, row: &Value) {
    if as_json {
        println!("{row}");
        return;
    }
    let case = row["case"].as_str().unwrap_or_default();
    let tls = if row["tls"] == true { " (TLS)" } else { "" };
    print!("{case}{tls}:");
    for (key, value) in row.as_object().into_iter().flatten() {
        if !value.is_null() && key != "case" && key != "tls" {
            print!(" {key}={}", value.to_string().replace('"', ""));
        }
    }
    println!();
}

/// Figures, sorted.
#[derive(Default)]
pub(crate) struct Figures(Vec<f64>);

impl FromIterator<f64> for Figures {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);

        Self(figures)
    }
}

impl Figures {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.percentile(50)
    }

    pub(crate) fn most(&self) -> Option<f64> {
        self.percentile(100)
    }

    /// The figure that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);

        self.0.get(rank - 1).map(|figure| round(*figure, 1))
    }
}

pub(crate) fn ratio(figure: Option<f64>, baseline: Option<f64>) -> Option<f64> {
    figure
        .zip(baseline)
        .map(|(figure, baseline)| round(figure / baseline, 3))
}

pub(crate) fn round(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);

    (number * scale).round() / scale
}
