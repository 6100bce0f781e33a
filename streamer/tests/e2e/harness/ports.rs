//! Ports that no other test has, in this process or another.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to clients: a node that was killed finds its own free when it returns.
const FIRST: u16 = 12_000;
const EACH: u16 = 32;
const BLOCKS: u16 = 600;

/// A block of ports in a row. A listener on the first one keeps other tests away from the rest.
pub(crate) struct Ports {
    first: u16,
    _claim: TcpListener,
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

impl Ports {
    /// Claims a block whose ports are all free.
    pub(crate) fn claim() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Where to begin is another place in each process: the kernel's choice of a port says which.
        let start = bind(0).and_then(|any| any.local_addr().ok()).map_or(0, |address| address.port());
        for _ in 0..BLOCKS {
            let block = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
            let first = FIRST + block * EACH;
            let Some(claim) = bind(first) else { continue };
            if (first + 1..first + EACH).all(|port| bind(port).is_some()) {
                return Self { first, _claim: claim };
            }
        }
        panic!("no {EACH} free ports in a row from {FIRST} on");
    }

    /// The port `index`, counted from 0.
    pub(crate) fn port(&self, index: usize) -> u16 {
        let index = u16::try_from(index).expect("a small number");
        assert!(index + 1 < EACH, "port {index} of a block of {EACH}");
        self.first + 1 + index
    }
}
