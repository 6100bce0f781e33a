//! One node of a cluster in the world: its disk ([`store`]), its peers ([`peer`]), and the driver of its desks, which reads
//! and writes titles ([`Node`]). Players, people and programs are above it, and it knows nothing of them.
#![forbid(unsafe_code)]

mod bounds;
mod clock;
mod gate;
mod node;
pub mod peer;
pub mod store;

pub use bounds::{Bounds, Gates, raise_descriptors};
pub use clock::{modified_ms, unix_time};
pub use gate::{Full, Gate, GateBounds, Pass, Serving};
pub use node::*;

#[cfg(test)]
mod tests {
    /// In release, as what is shipped is built: wrong numbers from outside must not wrap around.
    #[test]
    #[should_panic(expected = "overflow")]
    fn a_sum_that_overflows_is_an_error() {
        let most = std::hint::black_box(u64::MAX);
        std::hint::black_box(most + std::hint::black_box(1));
    }
}
