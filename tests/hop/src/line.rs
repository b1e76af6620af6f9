use std::{collections::VecDeque, io};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{Plan, dice::Dice};

/// One direction of the way between client and hop: what goes in comes out in order, later.
#[derive(Debug)]
pub(crate) struct Line {
    plan: watch::Receiver<Plan>,
    dice: Dice,
    pays_handshake: bool,
    latest: Instant,
}

impl Line {
    pub(crate) fn to_client(plan: watch::Receiver<Plan>, dice: Dice) -> Self {
        Self {
            plan,
            dice,
            pays_handshake: false,
            latest: Instant::now(),
        }
    }

    pub(crate) fn from_client(plan: watch::Receiver<Plan>, dice: Dice) -> Self {
        Self {
            pays_handshake: true,
            ..Self::to_client(plan, dice)
        }
    }

    /// Carries everything until the source ends and the last byte of it is delivered; an end takes as long as bytes do.
    ///
    /// While the sink takes nothing, nothing is read: a slow reader is felt by the writer.
    pub(crate) async fn carry(
        mut self,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut parcels = VecDeque::<Parcel>::new();
        let mut bytes_under_way = 0;
        let mut end = None;
        let mut buffer = BytesMut::new();

        loop {
            if parcels.is_empty()
                && let Some((due, outcome)) = end
            {
                wait_until(due).await;
                return outcome;
            }
            buffer.reserve(READ_SIZE);

            tokio::select! {
                biased;
                Some(parcel) = next_due(&mut parcels) => {
                    bytes_under_way -= parcel.bytes.len();
                    sink.write_all(&parcel.bytes).await?;
                    sink.flush().await?;
                }
                read = source.read_buf(&mut buffer), if end.is_none() && bytes_under_way < CAPACITY => {
                    let due = self.schedule(Instant::now());
                    match read {
                        Ok(0) => end = Some((due, Ok(()))),
                        Ok(count) => {
                            bytes_under_way += count;
                            parcels.push_back(Parcel { due, bytes: buffer.split().freeze() });
                        }
                        Err(error) => end = Some((due, Err(error))),
                    }
                }
            }
        }
    }

    fn schedule(&mut self, now: Instant) -> Instant {
        let latency = self.plan.borrow().latency;
        let mut delay = self
            .dice
            .duration(latency.one_way, latency.one_way + latency.jitter);
        if self.pays_handshake && latency.handshake {
            delay += 2 * latency.one_way;
        }

        self.pays_handshake = false;
        self.latest = self.latest.max(now + delay);
        self.latest
    }
}

#[derive(Debug)]
struct Parcel {
    due: Instant,
    bytes: Bytes,
}

async fn next_due(parcels: &mut VecDeque<Parcel>) -> Option<Parcel> {
    wait_until(parcels.front()?.due).await;

    parcels.pop_front()
}

/// Returns at once if the time has come; tokio's timer would round it up to its next tick.
async fn wait_until(due: Instant) {
    if Instant::now() < due {
        sleep_until(due).await;
    }
}

const READ_SIZE: usize = 16 * 1024;
const CAPACITY: usize = 4 * 1024 * 1024;
