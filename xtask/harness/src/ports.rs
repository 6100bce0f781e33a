//! Ports that nobody else has, in this process or another.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to clients: a node that was killed finds its own free when it returns.
const FIRST: u16 = 12_000;
const EACH: u16 = 32;
const BLOCKS: u16 = 600;

/// A block of ports in a row. A listener on the first one keeps others who claim blocks away from the rest.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    _claim: TcpListener,
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

impl Ports {
    /// Claims a block whose ports are all free.
    ///
    /// # Errors
    /// There is none.
    pub fn claim() -> io::Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Where to begin is another place in each process: the kernel's choice of a port says which.
        let start = bind(0).and_then(|any| any.local_addr().ok()).map_or(0, |address| address.port());
        for _ in 0..BLOCKS {
            let block = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let first = FIRST + block * EACH;
            let Some(claim) = bind(first) else { continue };
            if (first + 1..first + EACH).all(|port| bind(port).is_some()) {
                return Ok(Self { first, _claim: claim });
            }
        }
        Err(io::Error::other(format!("no {EACH} free ports in a row from {FIRST} on")))
    }

    /// The port `index`, counted from 0; they follow each other.
    ///
    /// # Panics
    /// When the block has no such port.
    pub fn port(&self, index: usize) -> u16 {
        let behind = u16::try_from(index).ok().and_then(|index| index.checked_add(1)).filter(|behind| *behind < EACH);
        self.first + behind.unwrap_or_else(|| panic!("port {index} of a block of {EACH}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_is_claimed_twice_and_its_ports_are_free() {
        let (one, other) = (Ports::claim().unwrap(), Ports::claim().unwrap());
        assert!(one.port(0).abs_diff(other.port(0)) >= EACH);
        assert!((0..5).all(|index| bind(one.port(index)).is_some()));
        assert_eq!(one.port(4), one.port(0) + 4);
    }
}
