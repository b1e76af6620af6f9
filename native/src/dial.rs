//! From a host's name to a TCP connection, by whichever of its addresses answers first (RFC 8305).

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use downlink_core::IoError;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, select, time::sleep};

use crate::{origin::Origin, resolver::Resolver};

/// Tries the addresses in turn, the next one as soon as one fails or does not answer for a while, and keeps the first that is
/// there.
pub(crate) async fn dial(resolver: &Resolver, origin: &Origin) -> Result<TcpStream, IoError> {
    let mut waiting = match origin.address() {
        Some(address) => VecDeque::from([address]),
        None => alternate(resolver.resolve(&origin.host).await?),
    };
    let mut attempts = FuturesUnordered::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            let address = SocketAddr::new(address, origin.port);
            attempts.push(TcpStream::connect(address));
        }
        let is_last = waiting.is_empty();
        select! {
            Some(end) = attempts.next() => match end {
                Ok(stream) => {
                    let _is_slower = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(_) if is_last && attempts.is_empty() => return Err(IoError::Connect),
                Err(_) => {}
            },
            () = sleep(DELAY), if !is_last => {}
        }
    }
}

/// Puts the two families by turns, that of the first address first (section 4), and forgets what is more than can help.
fn alternate(addresses: Vec<IpAddr>) -> VecDeque<IpAddr> {
    let is_first_ipv6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == is_first_ipv6);
    let mut alternating = VecDeque::new();
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    while alternating.len() < MAX_ADDRESSES {
        let before = alternating.len();
        alternating.extend(first.next());
        alternating.extend(second.next());
        if alternating.len() == before {
            break;
        }
    }

    alternating
}

/// The "Connection Attempt Delay" that section 8 recommends.
const DELAY: Duration = Duration::from_millis(250);

const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_preferred_one_begins() {
        assert_eq!(
            order(&["::1", "::2", "::3", "1.1.1.1"]),
            ["::1", "1.1.1.1", "::2", "::3"]
        );
        assert_eq!(
            order(&["1.1.1.1", "::1", "1.1.1.2"]),
            ["1.1.1.1", "::1", "1.1.1.2"]
        );
        assert_eq!(order(&["1.1.1.1"]), ["1.1.1.1"]);
    }

    #[test]
    fn a_name_with_too_many_addresses_is_cut_short() {
        let many = vec!["::1"; 1000];

        assert_eq!(order(&many).len(), MAX_ADDRESSES);
    }

    fn order(addresses: &[&str]) -> Vec<String> {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect();

        alternate(addresses)
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}
