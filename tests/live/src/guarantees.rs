//! What each server can keep, as a table: `docs/servers.md` has it.

use std::fmt::Write as _;

use downlink::{
    TransportKind,
    protocol::{Guarantees, Presence, Proof, Publish, Resume, by_name},
};

/// Returns the table, in Markdown.
pub(crate) fn table() -> String {
    let mut table = String::from(
        "| server | transport | opens with it | a quiet path shows | after a loss | publish | presence |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (server, spec) in SERVERS {
        let protocol = by_name(spec).expect("this build speaks it");
        for transport in TransportKind::ALL {
            if let Some(guarantees) = protocol.guarantees(transport) {
                row(server, transport, guarantees, &mut table);
            }
        }
    }

    table
}

fn row(server: &str, transport: TransportKind, guarantees: Guarantees, table: &mut String) {
    let Guarantees {
        opening,
        proof,
        resume,
        publish,
        presence,
    } = guarantees;
    let proof = match proof {
        Proof::Frame => "a frame",
        Proof::Head => "a head",
    };
    let resume = match resume {
        Resume::Nothing => "a gap",
        Resume::Position => "nothing is lost",
        Resume::Session { proven: true } => "nothing is lost while the session lives",
        Resume::Session { proven: false } => "the session goes on, with a gap notice",
    };
    let publish = match publish {
        Publish::Acked => "acked",
        Publish::Asked => "acked where the application answers",
        Publish::Idempotent => "once, acked",
        Publish::Never => "no",
    };
    let written = writeln!(
        table,
        "| {server} | {transport} | {} | {proof} | {resume} | {publish} | {} |",
        yes(opening),
        match presence {
            Presence::Listed => "listed",
            Presence::Never => "no",
            Presence::Tracked => "yes",
        }
    );
    written.expect("a String takes all that is written");
}

fn yes(it_is: bool) -> &'static str {
    if it_is { "yes" } else { "no" }
}

const SERVERS: &[(&str, &str)] = &[
    ("Downlink", "downlink"),
    ("CometD", "bayeux,ack"),
    ("Faye", "bayeux"),
    ("Nchan", "nchan,poll=/poll,publish=/pub"),
    ("Phoenix", "phoenix"),
    ("Socket.IO", "socket.io"),
    ("Socket.IO with recovery", "socket.io,recovery"),
];

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn the_document_says_what_the_code_does() {
        let document = include_str!("../../../docs/servers.md");

        assert!(
            document.contains(&table()),
            "docs/servers.md lacks this table, which `cargo xtask live --guarantees` prints:\n{}",
            table()
        );
    }
}
