//! Who a node is to its peers: [`KeyPair`]s, and the sessions ([`Sessions`]) in which both ends are proven.
//!
//! A session is TLS 1.3 with raw public keys (RFC 8446, RFC 7250): no certificates, no validity times, so that no clock
//! decides who may speak. A key is pinned to the id of the node whose it is. Both sides draw fresh randomness, so nothing
//! of one session is of use in another.
#![forbid(unsafe_code)]

mod invitation;
mod key;
mod tls;

pub use invitation::{INVITATION_BYTES, Invitation, InvitationError};
pub use key::{KeyError, KeyPair, PublicKey, PublicKeyError};
pub use rustls;
pub use tls::{Secret, Sessions, Stranger};
