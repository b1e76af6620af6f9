use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{
    Counters, Options, Plan,
    connection::{Connection, Route},
    counters::Tally,
    dice::Dice,
};

/// A running hop; dropping it closes its port and everything that goes through it.
#[derive(Debug)]
pub struct Hop {
    address: SocketAddr,
    plan: watch::Sender<Plan>,
    cuts: watch::Sender<()>,
    tally: Arc<Tally>,
    accepting: JoinHandle<()>,
}

impl Hop {
    /// Starts a hop that lets everything pass, until told otherwise.
    ///
    /// # Errors
    /// Fails if the address cannot be listened at, or the certificate or key cannot be used.
    pub async fn start(options: Options) -> io::Result<Self> {
        let tls = options.tls.as_ref().map(|tls| tls.acceptor()).transpose()?;
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let (plan, plans) = watch::channel(Plan::default());
        let (cuts, cut) = watch::channel(());
        let route = Route {
            upstream: options.upstream,
            tls,
            plan: plans,
            cut,
            tally: Arc::clone(&tally),
        };
        let accepting = tokio::spawn(accept(listener, route, Dice::new(options.seed)));

        Ok(Self {
            address,
            plan,
            cuts,
            tally,
            accepting,
        })
    }

    /// Returns the address that clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to requests from here on, and to live connections where the fault can meet them.
    pub fn set(&self, plan: Plan) {
        self.plan.send_replace(plan);
    }

    /// Returns the plan in force.
    #[must_use]
    pub fn plan(&self) -> Plan {
        *self.plan.borrow()
    }

    /// Resets every live connection.
    pub fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// Returns what the hop has seen and done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.counters()
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, route: Route, mut dice: Dice) {
    let mut connections = JoinSet::new();

    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    route.tally.connections.increment();
                    connections.spawn(Connection::new(route.clone(), dice.fork()).serve(socket));
                }
                Err(_) => sleep(RETRY_ACCEPT).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Out of file handles, as a rule: others have to close first.
const RETRY_ACCEPT: Duration = Duration::from_millis(10);
