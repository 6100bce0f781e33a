//! With what a node comes that nobody knows yet.

use crate::key::KeyPair;
use core::fmt::{self, Write as _};
use core::str::FromStr;

/// Bytes of an invitation.
pub const INVITATION_BYTES: usize = 16;

/// A secret that a member makes and somebody carries to a node that is to join. Both ends make a key pair of it, so it never
/// travels itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Invitation([u8; INVITATION_BYTES]);

/// Why a text is no invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {} hexadecimal digits in lower case", 2 * INVITATION_BYTES)]
pub struct InvitationError;

impl fmt::Debug for Invitation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Invitation")
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 2 * INVITATION_BYTES || !text.bytes().all(is_hex) {
            return Err(InvitationError);
        }
        let mut bytes = [0; INVITATION_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..][..2], 16).map_err(|_| InvitationError)?;
        }
        Ok(Self(bytes))
    }
}

impl Invitation {
    /// A new one.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    pub fn fresh() -> Self {
        let mut bytes = [0; INVITATION_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random numbers");
        Self(bytes)
    }

    /// As it is told to whoever carries it: what [`FromStr`] takes.
    pub fn reveal(&self) -> String {
        let mut text = String::with_capacity(2 * INVITATION_BYTES);
        for byte in self.0 {
            // A string takes all.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The key pair of whoever comes with it.
    pub fn key_pair(&self) -> KeyPair {
        KeyPair::of_invitation(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_travels_as_text_and_is_never_shown() {
        let invitation = Invitation::fresh();
        assert_eq!(invitation.reveal().parse(), Ok(invitation));
        assert_eq!(format!("{invitation:?}"), "Invitation");
        for text in ["", "0", &"0".repeat(31), &"0".repeat(33), &"G".repeat(32), &"A".repeat(32), &"é".repeat(16)] {
            assert_eq!(text.parse::<Invitation>(), Err(InvitationError), "{text}");
        }
        assert_ne!(Invitation::fresh().key_pair(), invitation.key_pair());
        assert_eq!(invitation.key_pair(), invitation.key_pair());
    }
}
