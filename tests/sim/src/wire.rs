//! The frames, as `docs/protocol.md` has them: read and written without a line of the client's code.

mod frame;
mod read;
#[cfg(test)]
mod vectors;
mod write;

pub(crate) use self::{
    frame::{Carrier, Frame, number},
    read::read_all,
    write::Batch,
};
