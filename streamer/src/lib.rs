//! The world of RAIN: players and people. The program `rain` is a thin front of this crate.
#![forbid(unsafe_code)]

pub mod command;
pub mod demo;
pub mod http;
pub mod topology;

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
