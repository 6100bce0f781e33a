//! What somebody in the middle does to what nodes say to each other: all that a network can do to bytes, on purpose.

use rain_cluster::random::SplitMix64;

/// What is done to a piece of a stream, or to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tampering {
    /// A byte becomes another one: where, and by which bits.
    Change { at: u64, bits: u8 },
    /// It never comes, and what is behind it does.
    Drop,
    /// It comes twice.
    Repeat,
    /// Its halves come in the other order.
    Exchange,
    /// It ends in the middle, and the stream with it.
    CutOff,
    /// Bytes that nobody sent come before it.
    Invent(u64),
}

/// What becomes of the bytes that somebody tampered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tampered {
    pub(super) bytes: Vec<u8>,
    /// The stream ends behind them.
    pub(super) ends: bool,
}

impl Tampering {
    /// One of them, by chance.
    pub(super) fn draw(random: &mut SplitMix64) -> Self {
        let (kind, number) = (random.index(6), random.next_u64());
        match kind {
            // A change that changes nothing would be none.
            0 => Self::Change { at: number >> 8, bits: number.to_le_bytes()[0].max(1) },
            1 => Self::Drop,
            2 => Self::Repeat,
            3 => Self::Exchange,
            4 => Self::CutOff,
            _ => Self::Invent(number),
        }
    }

    /// Does it to some bytes.
    pub(super) fn apply(self, bytes: &[u8]) -> Tampered {
        let (mut tampered, middle) = (bytes.to_vec(), bytes.len() / 2);
        match self {
            Self::Change { at, bits } => {
                let length = bytes.len().max(1) as u64;
                if let Some(byte) = usize::try_from(at % length).ok().and_then(|at| tampered.get_mut(at)) {
                    *byte ^= bits;
                }
            }
            Self::Drop => tampered.clear(),
            Self::Repeat => tampered.extend_from_slice(bytes),
            Self::Exchange => tampered.rotate_left(middle),
            Self::CutOff => tampered.truncate(middle),
            Self::Invent(number) => {
                let mut random = SplitMix64::new(number);
                let invented: Vec<u8> = (0..=random.index(64)).map(|_| random.next_u64().to_le_bytes()[0]).collect();
                tampered.splice(..0, invented);
            }
        }
        Tampered { bytes: tampered, ends: self == Self::CutOff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_what_was_meant() {
        let apply = |tampering: Tampering| {
            let Tampered { bytes, ends } = tampering.apply(b"abcd");
            (String::from_utf8(bytes).unwrap(), ends)
        };
        for (tampering, expected, ends) in [
            (Tampering::Change { at: 6, bits: 1 }, "abbd", false),
            (Tampering::Drop, "", false),
            (Tampering::Repeat, "abcdabcd", false),
            (Tampering::Exchange, "cdab", false),
            (Tampering::CutOff, "ab", true),
        ] {
            assert_eq!(apply(tampering), (expected.to_owned(), ends), "{tampering:?}");
        }
        let invented = Tampering::Invent(7).apply(b"abcd").bytes;
        assert!(invented.len() > 4 && invented.ends_with(b"abcd"));
    }

    #[test]
    fn everything_is_done_now_and_then() {
        let mut random = SplitMix64::new(1);
        let drawn: Vec<_> = (0..600).map(|_| Tampering::draw(&mut random)).collect();
        let count = |is_it: fn(&Tampering) -> bool| drawn.iter().filter(|tampering| is_it(tampering)).count();
        for found in [
            count(|tampering| matches!(tampering, Tampering::Change { bits: 1.., .. })),
            count(|tampering| *tampering == Tampering::Drop),
            count(|tampering| *tampering == Tampering::Repeat),
            count(|tampering| *tampering == Tampering::Exchange),
            count(|tampering| *tampering == Tampering::CutOff),
            count(|tampering| matches!(tampering, Tampering::Invent(_))),
        ] {
            // A sixth of 600, within five standard deviations.
            assert!((54..146).contains(&found), "{found}");
        }
    }
}
