//! What to change.

use downlink::{IoError, Reason, TransportKind};

use super::{
    fault::{Fault, Unreachable},
    report::Report,
};

/// Sentences for whoever runs the server or the hop, the most useful first.
pub(super) fn advise(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    let mut add = |text: &str| {
        if !text.is_empty() && !advice.iter().any(|known| known == text) {
            advice.push(text.to_owned());
        }
    };
    if let Some(fault) = &report.way_fault {
        add(on_the_way(fault));
    }
    add(match report.server() {
        Some("Socket.IO (Engine.IO)") => "this server speaks Socket.IO: give --protocol socket.io",
        Some("a web page") => {
            "a web page answers: check the URL, and whether a portal wants you to log in first"
        }
        Some("Mercure" | "SignalR") => {
            "this server speaks another protocol, which this program does not"
        }
        Some(_) | None => "",
    });
    let faults: Vec<_> = report.hindered().collect();
    let offered = report.checks.iter();
    let offered = offered.filter(|check| check.fault != Some(Fault::NotOffered));
    let everywhere = faults.len() == offered.count();
    for (transport, fault) in faults {
        add(&on_transport(transport, fault, everywhere));
    }
    if report.idle.iter().any(|(_, idle)| idle.is_bad()) {
        add(
            "raise the hop's idle timeout, or its limit on a connection's life, above the server's beat (nginx: proxy_read_timeout)",
        );
    }

    advice
}

fn on_the_way(fault: &Fault) -> &'static str {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few faults come before a request"
    )]
    match fault {
        Fault::Unreachable(Unreachable::Dns) => {
            "check the host's name, and the resolver of this machine"
        }
        Fault::Unreachable(Unreachable::Refused) => "check the port, and that the server runs",
        Fault::Unreachable(Unreachable::Silent) => {
            "check firewalls and routes between here and the server"
        }
        Fault::Tls(_) => {
            "check the certificate and its host name; give the authority with --ca if it is your own, ask who breaks TLS open on the way, or try http:// if the port speaks no TLS"
        }
        _ => "",
    }
}

fn on_transport(transport: TransportKind, fault: &Fault, everywhere: bool) -> String {
    let is_websocket = transport == TransportKind::WebSocket;
    match fault {
        Fault::Refused(404) if everywhere => "check the URL's path, for example /downlink".into(),
        Fault::Refused(401 | 403 | 407) if everywhere => {
            "the proxy or gateway refuses everything: check its rules and credentials".into()
        }
        Fault::Refused(502..=504) if everywhere => {
            "the hop does not reach the server: check that it runs, and the hop's upstream".into()
        }
        Fault::Refused(_) if is_websocket => "allow Upgrade in the proxy: pass on the headers Upgrade and Connection, over HTTP/1.1 (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade)".into(),
        Fault::Refused(status) => format!("find out who answers with {status}: allow POST at this URL in the proxy"),
        Fault::Redirected(url) => format!("use the URL that it redirects to: {url}"),
        Fault::RefusedByServer(code) if code == "unauthorized" => "give a token (--token or DOWNLINK_TOKEN), or a newer one".into(),
        Fault::RefusedByServer(_) => "ask who runs the server: it refuses this client, and no hop does".into(),
        Fault::HeldBack(_) if is_websocket => "let the proxy pass on WebSocket messages as they come".into(),
        Fault::HeldBack(_) => "turn off response buffering in the proxy: obey X-Accel-Buffering: no (nginx: proxy_buffering off), and do not compress or scan streams".into(),
        Fault::Reset if is_websocket => "a firewall or proxy cuts WebSocket upgrades: allow them, or use https, where it does not see them".into(),
        Fault::Reset => "a firewall or proxy cuts these requests: allow them, or use https, where it does not see them".into(),
        Fault::Swallowed if is_websocket => "something takes WebSocket upgrades and never answers: allow Upgrade in the proxy, or use https".into(),
        Fault::Swallowed => "something takes these requests and never answers: check proxies and virus scanners on the way, and that the server works; if it is that slow, raise --timeout".into(),
        Fault::MuteFromFrame | Fault::MuteFromHead if is_websocket => "the proxy accepts the upgrade and does not carry messages: let it tunnel WebSockets, or use https".into(),
        Fault::MuteFromFrame | Fault::MuteFromHead => "something on the way stops answers in their middle: turn off response buffering (X-Accel-Buffering: no) and content scanning in the proxy".into(),
        Fault::Cut(_) if transport == TransportKind::Poll => "something cuts answers in their middle: look for proxies and firewalls that do, and at the server's own log".into(),
        Fault::Cut(_) => "raise the time that the hop lets a connection live (nginx: proxy_read_timeout)".into(),
        Fault::Foreign(_) | Fault::Garbage if everywhere => "check the URL's host and path, and --protocol".into(),
        Fault::Foreign(_) | Fault::Garbage => "something else than the server answers here: look for a proxy or portal that rewrites answers".into(),
        Fault::Unreachable(_) | Fault::Tls(_) => on_the_way(fault).into(),
        Fault::Other(Reason::Io(IoError::Proxy | IoError::ProxyCredentials)) => {
            "check the proxy that the environment names, or go without it for this host (NO_PROXY)".into()
        }
        Fault::Other(_) => "compare with `downlink conformance`".into(),
        Fault::NotOffered => String::new(),
    }
}
