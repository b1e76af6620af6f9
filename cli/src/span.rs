//! Spans of time, as people write and read them.

use std::time::Duration;

/// Reads spans like 90s, 10m and 1h30m; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let unit = behind.chars().next()?;
        let worth = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(worth)?;
        seconds = seconds.checked_add(part)?;
        rest = &behind[unit.len_utf8()..];
    }

    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// Writes a span short: 3 ms, 1.2 s, 4 min, 2.5 h.
pub(crate) fn show(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        ..0.9995 => format!("{:.0} ms", seconds * 1e3),
        ..99.95 => format!("{seconds:.1} s"),
        ..5_970.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("2d", 172_800)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "10",
            "m",
            "10x",
            "1.5h",
            "-1s",
            "10 m",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_written_short() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_234, "1.2 s"),
            (240_000, "4 min"),
            (9_000_000, "2.5 h"),
        ] {
            assert_eq!(show(Duration::from_millis(millis)), text);
        }
    }
}
