//! Key pairs (Ed25519, RFC 8032) and how they are written down.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
use rain_cluster::NodeId;
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::SigningKey;
use std::sync::Arc;

/// What stands before the 32 bytes of the seed in a PKCS #8 of version 1 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// What stands before the 32 bytes of the key in a `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// What others know a node by: 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Why a text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`, expected 64 hexadecimal digits in lower case, as `rain key new` tells them")]
pub struct PublicKeyError(String);

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(is_hex) {
            return Err(PublicKeyError(text.chars().take(80).collect()));
        }
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..][..2], 16).map_err(|_| PublicKeyError(text.to_owned()))?;
        }
        Ok(Self(key))
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PublicKey {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The key in a `SubjectPublicKeyInfo` in DER; `None` where that holds another kind of key.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        Some(Self(der.strip_prefix(&SPKI)?.try_into().ok()?))
    }

    /// Itself as a `SubjectPublicKeyInfo` in DER.
    pub fn to_spki(self) -> SubjectPublicKeyInfoDer<'static> {
        [&SPKI[..], &self.0].concat().into()
    }
}

/// Why a file holds no key pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no PEM of a private key.
    #[error("no private key in PEM ({0})")]
    Pem(String),
    /// It is one of another kind.
    #[error("a private key of another kind than Ed25519")]
    Kind,
}

/// A node's key pair. What is secret of it is never shown.
#[derive(Clone)]
pub struct KeyPair {
    seed: [u8; 32],
    public: PublicKey,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyPair({})", self.public)
    }
}

impl PartialEq for KeyPair {
    /// Of the same public key.
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for KeyPair {}

impl KeyPair {
    /// A new one.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    pub fn fresh() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system gives random numbers");
        Self::from_seed(seed)
    }

    /// The one of a node that was given none: everybody can know it. It is for listeners that nobody else can reach.
    pub fn of_nobody(node: NodeId) -> Self {
        Self::from_seed(blake3::derive_key("RAIN node without a key", &node.0.to_le_bytes()))
    }

    /// The one of whoever comes with an invitation.
    pub(crate) fn of_invitation(invitation: &[u8]) -> Self {
        Self::from_seed(blake3::derive_key("RAIN 2026 key of an invitation", invitation))
    }

    fn from_seed(seed: [u8; 32]) -> Self {
        let signing = signing_key(&seed);
        let public =
            signing.public_key().and_then(|spki| PublicKey::from_spki(&spki)).expect("an Ed25519 key has a public one");
        Self { seed, public }
    }

    /// Reads a private key: PKCS #8 in PEM, as `rain key new` and `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|error| KeyError::Pem(error.to_string()))?;
        let der = der.secret_pkcs8_der();
        // Of version 2 (RFC 5958) the same stands behind another length and version, and the public key follows.
        let seed =
            der.get(PKCS8.len()..PKCS8.len() + 32).and_then(|seed| seed.try_into().ok()).ok_or(KeyError::Kind)?;
        let is_like = |from: usize, to: usize| der[from..to] == PKCS8[from..to];
        if !(is_like(0, 1) && is_like(2, 4) && is_like(5, 16)) {
            return Err(KeyError::Kind);
        }
        Ok(Self::from_seed(seed))
    }

    /// The private key as PKCS #8 in PEM.
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode([&PKCS8[..], &self.seed].concat());
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    /// What others know it by.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// A secret of its own, for a use that no other has: what follows from it says nothing of the key.
    pub fn derive(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, &self.seed)
    }

    pub(crate) fn signing_key(&self) -> Arc<dyn SigningKey> {
        signing_key(&self.seed)
    }
}

fn signing_key(seed: &[u8; 32]) -> Arc<dyn SigningKey> {
    let der = PrivatePkcs8KeyDer::from([&PKCS8[..], seed].concat());
    any_eddsa_type(&der).expect("any 32 bytes are the seed of an Ed25519 key")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3: a private key of version 1, and the public key of its example of version 2.
    const RFC_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    /// The same with attributes and public key.
    const RFC_KEY_2: &str = "-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\noB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\nZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n";
    const RFC_PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

    #[test]
    fn keys_are_those_of_the_rfc() {
        for text in [RFC_KEY, RFC_KEY_2] {
            let key = KeyPair::from_pem(text.as_bytes()).unwrap();
            assert_eq!(key.public().to_string(), RFC_PUBLIC);
            assert_eq!(key.to_pem(), RFC_KEY);
            assert_eq!(format!("{key:?}"), format!("KeyPair({RFC_PUBLIC})"));
        }
        assert_eq!(RFC_PUBLIC.parse::<PublicKey>().unwrap().to_string(), RFC_PUBLIC);
        let spki = RFC_PUBLIC.parse::<PublicKey>().unwrap().to_spki();
        assert_eq!(PublicKey::from_spki(&spki).unwrap().to_string(), RFC_PUBLIC);
    }

    #[test]
    fn what_is_no_key_is_told() {
        for (text, expected) in [
            ("", "no private key in PEM"),
            ("a secret of thirty-two bytes and more", "no private key in PEM"),
            // What `openssl genpkey` makes of X25519: another object identifier.
            (&RFC_KEY.replace("K2VwBCIEI", "K2VuBCIEI"), "of another kind"),
            ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n", "of another kind"),
        ] {
            let error = KeyPair::from_pem(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["", "19bf", &RFC_PUBLIC.to_uppercase(), &format!("{RFC_PUBLIC}0"), &RFC_PUBLIC.replace('1', "+")] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_two_keys_are_alike() {
        assert_ne!(KeyPair::fresh(), KeyPair::fresh());
        assert_ne!(KeyPair::of_nobody(NodeId(1)), KeyPair::of_nobody(NodeId(2)));
        assert_eq!(KeyPair::of_nobody(NodeId(1)), KeyPair::of_nobody(NodeId(1)));
    }
}
