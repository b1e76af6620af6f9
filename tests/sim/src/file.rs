//! Schedules as text: the setup in the first line, then a step a line, each a JSON object.

use std::{fmt::Write as _, io};

use crate::schedule::Schedule;

impl Schedule {
    /// Writes it as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let setup = serde_json::to_string(&self.setup).expect(PLAIN);
        writeln!(text, "{setup}").expect(INFALLIBLE);
        for step in &self.steps {
            let step = serde_json::to_string(step).expect(PLAIN);
            writeln!(text, "{step}").expect(INFALLIBLE);
        }

        text
    }

    /// Reads what [`Self::to_text`] wrote; empty lines and lines with `//` at the beginning are left out.
    ///
    /// # Errors
    /// Which line is none of a schedule.
    pub fn from_text(text: &str) -> Result<Self, io::Error> {
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("//"));
        let broken = |at: usize, error| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {}: {error}", at + 1),
            )
        };
        let (at, first) = lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
        let setup = serde_json::from_str(first).map_err(|error| broken(at, error))?;
        let steps = lines
            .map(|(at, line)| serde_json::from_str(line).map_err(|error| broken(at, error)))
            .collect::<Result<_, _>>()?;

        Ok(Self { setup, steps })
    }
}

const PLAIN: &str = "all of it has a form in JSON";
const INFALLIBLE: &str = "a String takes all that is written";
