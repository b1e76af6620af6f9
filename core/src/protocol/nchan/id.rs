//! Message ids: `seconds:tag`, in whichever spelling, as one number.

use alloc::{string::String, sync::Arc};
use core::{fmt::Write as _, time::Duration};

use crate::{Cursor, cursor::number};

/// Bits of a tag, which counts the messages of one second. Nchan keeps 15.
const TAG_BITS: u32 = 15;
const MOST_TAG: u64 = (1 << TAG_BITS) - 1;

/// The number of the message with this id.
pub(super) fn read(id: &str) -> Option<u64> {
    let (seconds, tag) = id.trim().split_once(':')?;

    pack(number(seconds)?, number(tag)?)
}

/// The number of a message by its `Last-Modified` and `Etag`.
pub(super) fn read_headers(last_modified: &str, etag: &str) -> Option<u64> {
    pack(read_date(last_modified)?, number(etag.trim())?)
}

/// The number before all messages of this second.
pub(super) fn before_second(seconds: u64) -> Option<u64> {
    pack(seconds, 0)?.checked_sub(1)
}

/// The id of a number.
pub(super) fn write(at: u64) -> String {
    let mut id = String::new();
    let written = write!(id, "{}:{}", at >> TAG_BITS, at & MOST_TAG);
    written.expect("a String takes all that is written");

    id
}

/// Whether a number is one that no message has: the end of a second.
pub(super) fn is_made_up(at: u64) -> bool {
    at == 0 || at & MOST_TAG == MOST_TAG
}

/// Whether the message `next` can be the one right behind `at`: tags count from 0 in each second.
pub(super) fn follows(at: u64, next: u64) -> bool {
    next == at + 1 || next & MOST_TAG == 0
}

/// When a message was published, since the Unix epoch.
pub(super) fn time(at: u64) -> Duration {
    Duration::from_secs(at >> TAG_BITS)
}

/// The cursor of a number.
pub(super) fn cursor(at: u64) -> Cursor {
    Cursor::new(Arc::from(LOGS[0]), at)
}

/// Whether the number of a cursor is one of these.
pub(super) fn is_in(cursor: &Cursor) -> bool {
    LOGS.into_iter().any(|log| is_of(cursor, log))
}

/// The same number in another log: a server that forgot its messages gives their ids again.
pub(super) fn again(cursor: &Cursor) -> Cursor {
    let other = LOGS.into_iter().find(|log| !is_of(cursor, log));

    Cursor::new(Arc::from(other.unwrap_or_default()), cursor.seq())
}

fn is_of(cursor: &Cursor, log: &str) -> bool {
    cursor.is_of_same_log(&Cursor::new(Arc::from(log), 0))
}

fn pack(seconds: u64, tag: u64) -> Option<u64> {
    (seconds < 1 << (53 - TAG_BITS) && tag <= MOST_TAG).then_some(seconds << TAG_BITS | tag)
}

/// Reads an IMF-fixdate, RFC 9110 section 5.6.7, as seconds since the Unix epoch.
pub(super) fn read_date(date: &str) -> Option<u64> {
    let mut words = date
        .trim()
        .split([' ', ':'])
        .filter(|word| !word.is_empty());
    let mut next = || words.next();
    let _weekday = next()?;
    let day = number(next()?)?;
    let month = next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year = number(next()?)?;
    let (hour, minute, second) = (number(next()?)?, number(next()?)?, number(next()?)?);
    let is_real = next()? == "GMT"
        && (1970..10_000).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_real {
        return None;
    }
    // Days by the civil calendar, counted from March so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;

    Some((days - DAYS_TO_1970) * 86_400 + hour * 3600 + minute * 60 + second)
}

const LOGS: [&str; 2] = ["nchan", "nchan-again"];
const DAYS_TO_1970: u64 = 719_468;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_an_id_are_one_number() {
        let at = read("1795373636:1").unwrap();

        assert_eq!(read_headers("Sun, 22 Nov 2026 18:53:56 GMT", "1"), Some(at));
        assert_eq!(write(at), "1795373636:1");
    }

    #[test]
    fn ids_are_ordered_by_time_then_tag() {
        let ids = ["5:0", "5:1", "5:9", "5:10", "6:0"].map(|id| read(id).unwrap());

        assert!(ids.is_sorted());
        assert_eq!(write(before_second(6).unwrap()), "5:32767");
    }

    #[test]
    fn a_date_is_read_as_seconds() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
            ("Sun, 22 Nov 2026 18:53:46 GMT", 1_795_373_626),
        ] {
            assert_eq!(read_date(date), Some(seconds), "{date}");
        }
        for date in [
            "",
            "Sun, 22 Nov 2026",
            "Sun, 00 Nov 2026 18:53:46 GMT",
            "Sun, 22 Foo 2026 18:53:46 GMT",
        ] {
            assert_eq!(read_date(date), None, "{date}");
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for id in [
            "",
            ":",
            "5",
            "5:",
            "5:-1",
            "5:[1]",
            "5:32768",
            "99999999999999:0",
        ] {
            assert_eq!(read(id), None, "{id}");
        }
    }
}
