//! Free loopback ports for servers that must be told their port beforehand.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Where to look: below Linux' default ephemeral range (32768 and up, `ip_local_port_range`), so
/// that no outgoing connection takes the port between the choice and the use, or while a server
/// is stopped and about to come back on it.
const RANGE: std::ops::Range<u16> = 10_000..32_768;

/// How often to draw: with 22,768 ports a hundred misses in a row mean that binding itself fails.
const ATTEMPTS: usize = 100;

/// A port on 127.0.0.1 that nobody listened on a moment ago. Another process can still take it:
/// who starts a server on it must be ready to draw again.
///
/// # Errors
/// The last error of binding when no port was free.
pub fn free_port() -> io::Result<u16> {
    free_port_on(Ipv4Addr::LOCALHOST.into())
}

/// As [`free_port`], on any local address.
///
/// # Errors
/// The last error of binding, e.g. when the address is not local.
pub fn free_port_on(address: IpAddr) -> io::Result<u16> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let port = rand::random_range(RANGE);
        match TcpListener::bind(SocketAddr::new(address, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
