use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncWriteExt, DuplexStream, copy, duplex, sink, split},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::{Plan, counters::Tally, dice::Dice, line::Line, path::Ending, relay::Relay};

/// What all connections of a hop share.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) upstream: SocketAddr,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) plan: watch::Receiver<Plan>,
    pub(crate) cut: watch::Receiver<()>,
    pub(crate) tally: Arc<Tally>,
}

/// One client's connection, from its acceptance to its end.
pub(crate) struct Connection {
    route: Route,
    dice: Dice,
}

impl Connection {
    pub(crate) fn new(mut route: Route, dice: Dice) -> Self {
        route.cut.mark_unchanged();

        Self { route, dice }
    }

    pub(crate) async fn serve(mut self, mut socket: TcpStream) {
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let mut cut = self.route.cut.clone();

        let ending = tokio::select! {
            biased;
            Ok(()) = cut.changed() => {
                self.route.tally.cuts.increment();
                Ending::Reset
            }
            ending = self.carry(&mut socket) => ending,
        };

        // Nobody is left to care if the client went first.
        match ending {
            Ending::Close | Ending::Cut => {
                let _ = socket.shutdown().await;
            }
            Ending::Reset => {
                let _ = socket.set_zero_linger();
            }
        }
    }

    async fn carry(&mut self, socket: &mut TcpStream) -> Ending {
        if self.route.plan.borrow().refuses_every_connection() {
            return Ending::Reset;
        }

        let (mut socket_read, mut socket_write) = socket.split();
        let (near, far) = duplex(PIPE_SIZE);
        let (mut near_read, mut near_write) = split(near);
        let from_client = Line::from_client(self.route.plan.clone(), self.dice.fork());
        let to_client = Line::to_client(self.route.plan.clone(), self.dice.fork());
        let was_reset = AtomicBool::new(false);

        let inbound = async {
            if from_client
                .carry(&mut socket_read, &mut near_write)
                .await
                .is_err()
            {
                was_reset.store(true, Ordering::Relaxed);
            }
            let _ = near_write.shutdown().await;
            pending().await
        };
        let outbound = async {
            if to_client
                .carry(&mut near_read, &mut socket_write)
                .await
                .is_err()
            {
                was_reset.store(true, Ordering::Relaxed);
                let _ = copy(&mut near_read, &mut sink()).await;
            }
        };
        let relayed = async {
            let (ending, ()) = tokio::join!(self.relay(far, &was_reset), outbound);
            ending
        };

        tokio::select! {
            biased;
            ending = inbound => ending,
            ending = relayed => ending,
        }
    }

    async fn relay(&mut self, client: DuplexStream, client_was_reset: &AtomicBool) -> Ending {
        let relay = Relay::new(
            self.route.upstream,
            self.route.plan.clone(),
            self.dice.fork(),
            Arc::clone(&self.route.tally),
            client_was_reset,
        );

        match &self.route.tls {
            None => relay.run(client).await,
            Some(tls) => match tls.accept(client).await {
                Ok(client) => relay.run(client).await,
                Err(_) => Ending::Close,
            },
        }
    }
}

const PIPE_SIZE: usize = 16 * 1024;
