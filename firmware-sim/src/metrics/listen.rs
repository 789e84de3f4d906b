//! Where the endpoint listens: on this machine alone, unless the operator names an address that others reach.

use super::scrape::{About, pair};
use super::server::Server;
use crate::event_loop::EventLoop;
use crate::slow_path::SlowPathPlan;
use crate::storage::Tables;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

/// An address and a port; a port alone is on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = text.strip_prefix(':').unwrap_or(text);
        let on_loopback = port.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        on_loopback.or_else(|_| text.parse()).map(Self).map_err(|_| format!("`{text}`: {}", problem(text)))
    }
}

/// What is wrong with a text that is none.
fn problem(text: &str) -> &'static str {
    // Without a colon it may be a port; an IPv6 address has colons of its own.
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if is_number && port.parse::<u16>().is_err() && (host.is_empty() || bare.parse::<IpAddr>().is_ok()) {
        "a port is a number from 0 to 65535, as in 127.0.0.1:9469"
    } else if text.parse::<IpAddr>().is_ok() {
        "an address without a port: write 127.0.0.1:9469 or [::1]:9469"
    } else if is_number && !host.contains(':') && host.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        "names are not looked up: give an address, such as 127.0.0.1:9469"
    } else {
        "no address with a port: write 127.0.0.1:9469, [::1]:9469, or 9469 for this machine alone"
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The kernel refuses the address.
    #[error("metrics at {address}: {source}\n  remedy: {}", remedy(source))]
    Bind {
        /// Where.
        address: Listen,
        /// Why.
        source: io::Error,
    },
    /// No thread or runtime.
    #[error("a thread for metrics: {0}")]
    Thread(#[from] io::Error),
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "end what listens there, or name another port with --metrics or with `listen` in [metrics]"
        }
        io::ErrorKind::AddrNotAvailable => "name an address of this machine, such as 127.0.0.1",
        io::ErrorKind::PermissionDenied => "name a port of 1024 or more",
        _ => "name another address with --metrics or with `listen` in [metrics]",
    }
}

/// A port that is ours, and where nobody answers yet.
#[derive(Debug)]
pub struct Endpoint(TcpListener);

impl Endpoint {
    /// Takes the port.
    ///
    /// # Errors
    /// See [`MetricsError::Bind`].
    pub fn bind(address: Listen) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Bind { address, source };
        let listener = TcpListener::bind(address.0).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self(listener))
    }

    /// Where it is; a port of 0 has become a real one.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers scrapes with what the loop counts, until the value is dropped, and says where.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn serve(
        self,
        owner: &mut EventLoop,
        plan: &SlowPathPlan,
        lengths: Tables,
    ) -> Result<Server, MetricsError> {
        let address = self.address()?;
        let who =
            if address.ip().is_loopback() { "" } else { " (anybody who reaches that address may read them)" };
        eprintln!("metrics at http://{address}/metrics{who}");
        let (scrapes, asker) = pair(About::new(plan), lengths, owner.waker());
        owner.serve_metrics(scrapes);
        Ok(Server::start(self.0, asker)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("localhost:9469", "names are not looked up: give an address"),
            ("my-host.example:99999", "names are not looked up"),
            ("127.0.0.1:65536", "0 to 65535"),
            ("[::1]:65536", "0 to 65535"),
            (":65536", "0 to 65535"),
            ("65536", "0 to 65535"),
            ("127.0.0.1", "an address without a port"),
            ("::1", "an address without a port"),
            ("localhost", "no address with a port"),
            ("127.0.0:9469", "no address with a port"),
            ("127.0.0.1:", "no address with a port"),
            ("", "no address with a port"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.starts_with(&format!("`{text}`: ")) && error.contains(told), "{error}");
        }
    }
}
