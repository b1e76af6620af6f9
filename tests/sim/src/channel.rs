//! The logs that all servers share.

/// A channel: a log, and those that it had before.
pub(crate) struct Channel {
    pub(crate) name: &'static str,
    /// The last one is the one in use.
    pub(crate) logs: Vec<Log>,
}

/// A log of one epoch.
pub(crate) struct Log {
    pub(crate) epoch: String,
    pub(crate) published: Vec<Published>,
    /// Events up to this number are no longer kept.
    pub(crate) trimmed: u64,
    /// Numbers that a server lost on the way: from, to.
    pub(crate) forgiven: Vec<(u64, u64)>,
}

/// When an event was published, and whether the client may see it. What it holds follows from its place.
#[derive(Clone, Copy)]
pub(crate) struct Published {
    pub(crate) at: u64,
    pub(crate) hidden: bool,
    /// The client's own, by this id.
    pub(crate) own: Option<u64>,
}

/// A position, as an index of the log and a number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    pub(crate) log: usize,
    pub(crate) seq: u64,
}

impl Channel {
    pub(crate) fn new(name: &'static str) -> Self {
        let mut channel = Self {
            name,
            logs: Vec::new(),
        };
        channel.renew();

        channel
    }

    /// The log is lost; another one begins.
    pub(crate) fn renew(&mut self) {
        self.logs.push(Log {
            epoch: format!("e{}", self.logs.len()),
            published: Vec::new(),
            trimmed: 0,
            forgiven: Vec::new(),
        });
    }

    pub(crate) fn current(&self) -> usize {
        self.logs.len() - 1
    }

    pub(crate) fn log(&self) -> &Log {
        &self.logs[self.current()]
    }

    pub(crate) fn log_mut(&mut self) -> &mut Log {
        let current = self.current();

        &mut self.logs[current]
    }

    pub(crate) fn place(&self, epoch: &str, seq: u64) -> Option<Place> {
        let log = self.logs.iter().position(|log| log.epoch == epoch)?;

        Some(Place { log, seq })
    }

    pub(crate) fn text(&self, place: Place) -> String {
        format!("{}:{}", self.logs[place.log].epoch, place.seq)
    }

    /// Writes what the event at `place` holds, and returns its name.
    pub(crate) fn content(&self, place: Place, data: &mut Vec<u8>) -> &'static str {
        data.clear();
        let Place { log, seq } = place;
        if let Some(id) = self.logs[log].at(seq).and_then(|published| published.own) {
            data.extend_from_slice(format!("own {id}").as_bytes());
            return "own";
        }
        let mark = (log as u64 * 31 + seq)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(self.name.len() as u64)
            >> 40;
        match mark % 16 {
            0 => {}
            1 => data.extend_from_slice(format!("\n\0\r\n{seq} \u{fffd}").as_bytes()),
            2 => data.extend_from_slice(&[0xFF, 0xC3, b'\n', mark as u8]),
            3 => data.extend_from_slice(format!("é😀 :#= %zz {log}/{seq} ünï").as_bytes()),
            4 if mark % 80 == 4 => data.resize(3_000, b'x'),
            _ => data.extend_from_slice(format!("{{\"n\":{seq},\"log\":{log}}}").as_bytes()),
        }

        NAMES[(mark / 16 % NAMES.len() as u64) as usize]
    }
}

impl Log {
    pub(crate) fn head(&self) -> u64 {
        self.published.len() as u64
    }

    pub(crate) fn at(&self, seq: u64) -> Option<Published> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;

        self.published.get(index).copied()
    }

    /// Whether the client need not have got the event `seq`.
    pub(crate) fn is_excused(&self, seq: u64) -> bool {
        seq <= self.trimmed
            || self.at(seq).is_some_and(|published| published.hidden)
            || self
                .forgiven
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&seq))
    }

    /// Whether the client cannot get any event of these.
    pub(crate) fn is_hidden(&self, after: u64, to: u64) -> bool {
        (after + 1..=to).all(|seq| self.at(seq).is_some_and(|published| published.hidden))
    }

    /// The position before what was published at `since` or later.
    pub(crate) fn position_at(&self, since: u64) -> u64 {
        self.published
            .partition_point(|published| published.at < since) as u64
    }
}

const NAMES: [&str; 6] = ["msg", "msg", "", "-", "two words", "#ü=%"];
