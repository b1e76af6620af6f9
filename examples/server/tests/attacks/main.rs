//! What a hostile client may try: each time the server stays within its memory, says at most one clear error, and others do not
//! notice.
#![cfg(target_os = "linux")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it is a test, and says what an attack cost"
)]

mod floods;
mod patience;
mod raw;
mod sizes;
mod strangers;
mod target;
