//! Sessions: TLS 1.3 in which each end shows the key that is pinned to its id.

use crate::key::{KeyPair, PublicKey};
use core::fmt;
use rain_cluster::NodeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ConnectionCommon, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme, version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// What both ends say they speak.
const PROTOCOL: &[u8] = b"rain/1";
/// What keys of datagrams are made from (RFC 8446, section 7.5).
const EXPORTER: &[u8] = b"EXPORTER-RAIN-datagrams";

/// A secret that the two ends of a session share, and nobody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Why the other end of a session is nobody that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it showed the key {found}, which is that of no node of the cluster")]
pub struct Stranger {
    /// The key; `none` where it showed none.
    pub found: String,
}

/// Whose key is which; it may change while sessions go on.
#[derive(Debug)]
struct Pins {
    own: RwLock<Arc<CertifiedKey>>,
    nodes: RwLock<BTreeMap<PublicKey, NodeId>>,
}

impl Pins {
    fn node_of(&self, key: Option<&PublicKey>) -> Result<NodeId, Stranger> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let found = || key.map_or_else(|| "none".to_owned(), ToString::to_string);
        key.and_then(|key| nodes.get(key).copied()).ok_or_else(|| Stranger { found: found() })
    }

    fn own(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.own.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How a node speaks with its peers.
#[derive(Debug)]
pub struct Sessions {
    pins: Arc<Pins>,
    server: Arc<ServerConfig>,
    provider: Arc<CryptoProvider>,
}

impl Sessions {
    /// Of a node with a key pair, and peers with theirs.
    ///
    /// # Panics
    /// Never: the choice of suites is fixed, and has some of TLS 1.3.
    pub fn new(own: &KeyPair, peers: impl IntoIterator<Item = (PublicKey, NodeId)>) -> Self {
        let provider = Arc::new(provider());
        let pins = Arc::new(Pins { own: RwLock::new(certified(own)), nodes: RwLock::new(peers.into_iter().collect()) });
        let verifier = Arc::new(Verifier { pins: Arc::clone(&pins), provider: Arc::clone(&provider), expected: None });
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .expect("the suites are of TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Own(Arc::clone(&pins))));
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        // What can be resumed can be replayed.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Self { pins, server: Arc::new(server), provider }
    }

    /// From now on these are the keys; sessions that there are go on. Gives the nodes that have lost a key by it.
    pub fn set_keys(&self, own: &KeyPair, peers: impl IntoIterator<Item = (PublicKey, NodeId)>) -> BTreeSet<NodeId> {
        *self.pins.own.write().unwrap_or_else(PoisonError::into_inner) = certified(own);
        let mut nodes = self.pins.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let before = core::mem::replace(&mut *nodes, peers.into_iter().collect());
        let lost = before.iter().filter(|(key, node)| nodes.get(key) != Some(node));
        lost.map(|(_, node)| *node).collect()
    }

    /// How it is asked by its peers: whoever shows no key that is pinned is refused.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// How it asks the node `to`, and nobody else.
    ///
    /// # Panics
    /// Never, as [`new`](Self::new).
    pub fn client(&self, to: NodeId) -> Arc<ClientConfig> {
        let (pins, provider) = (Arc::clone(&self.pins), Arc::clone(&self.provider));
        let verifier = Verifier { pins: Arc::clone(&pins), provider: Arc::clone(&provider), expected: Some(to) };
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .expect("the suites are of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Own(pins)));
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        Arc::new(client)
    }

    /// A name that TLS asks for and nobody looks at: the keys say who is who.
    pub fn server_name() -> ServerName<'static> {
        ServerName::IpAddress(core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED).into())
    }

    /// Who is at the other end of a session whose handshake is done.
    ///
    /// # Errors
    /// [`Stranger`]: its key was taken off the list meanwhile.
    pub fn peer<Side>(&self, session: &ConnectionCommon<Side>) -> Result<NodeId, Stranger> {
        self.pins.node_of(Self::shown(session).as_ref())
    }

    /// The key that the other end of a session has shown.
    pub fn shown<Side>(session: &ConnectionCommon<Side>) -> Option<PublicKey> {
        let certificate = session.peer_certificates().and_then(<[_]>::first)?;
        PublicKey::from_spki(certificate)
    }

    /// Whose key it is, by now.
    pub fn node_of(&self, key: &PublicKey) -> Option<NodeId> {
        self.pins.node_of(Some(key)).ok()
    }

    /// The secret of a session whose handshake is done; `None` before.
    pub fn secret<Side>(session: &ConnectionCommon<Side>) -> Option<Secret> {
        session.export_keying_material([0; 32], EXPORTER, None).ok().map(Secret)
    }
}

/// Suites whose throughput was measured, the fastest first (docs/security.md).
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites =
        vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256, ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    provider
}

fn certified(own: &KeyPair) -> Arc<CertifiedKey> {
    let spki = CertificateDer::from(own.public().to_spki().to_vec());
    Arc::new(CertifiedKey::new(vec![spki], own.signing_key()))
}

/// Shows the node's own key.
#[derive(Debug)]
struct Own(Arc<Pins>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.own())
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.own())
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes the key of any member, or of the one that is expected.
#[derive(Debug)]
struct Verifier {
    pins: Arc<Pins>,
    provider: Arc<CryptoProvider>,
    expected: Option<NodeId>,
}

impl Verifier {
    fn check(&self, certificate: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), Error> {
        let found = self.pins.node_of(PublicKey::from_spki(certificate).as_ref()).ok().filter(|_| more.is_empty());
        match (found, self.expected) {
            (Some(found), Some(expected)) if found != expected => Err(CertificateError::NotValidForName.into()),
            (Some(_), _) => Ok(()),
            (None, _) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(certificate.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.provider.signature_verification_algorithms)
    }
}

/// TLS 1.2 is not offered.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("a signature of TLS 1.2, which was not offered".to_owned()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{ClientConnection, ServerConnection};

    const A: NodeId = NodeId(10);
    const B: NodeId = NodeId(11);

    fn key(node: NodeId) -> KeyPair {
        KeyPair::of_nobody(node)
    }

    fn sessions(own: NodeId, peers: &[NodeId]) -> Sessions {
        Sessions::new(&key(own), peers.iter().map(|peer| (key(*peer).public(), *peer)))
    }

    /// Lets both ends speak until they have nothing left to say; `alter` may change what travels to the server, and back.
    fn converse(
        client: &mut ClientConnection,
        server: &mut ServerConnection,
        mut alter: impl FnMut(bool, &mut Vec<u8>),
    ) -> Result<(), Error> {
        for _ in 0..8 {
            let mut sent = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut sent).unwrap();
            }
            alter(true, &mut sent);
            let mut rest = &sent[..];
            let mut failed = Ok(());
            while !rest.is_empty() && failed.is_ok() {
                server.read_tls(&mut rest).unwrap();
                failed = server.process_new_packets().map(drop);
            }
            let mut sent = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut sent).unwrap();
            }
            alter(false, &mut sent);
            let mut rest = &sent[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets()?;
            }
            failed?;
        }
        Ok(())
    }

    fn meet(
        asker: &Sessions,
        to: NodeId,
        other: &Sessions,
        alter: impl FnMut(bool, &mut Vec<u8>),
    ) -> Result<(ClientConnection, ServerConnection), Error> {
        let mut client = ClientConnection::new(asker.client(to), Sessions::server_name()).unwrap();
        let mut server = ServerConnection::new(other.server()).unwrap();
        converse(&mut client, &mut server, alter)?;
        let waits = client.is_handshaking() || server.is_handshaking();
        if waits { Err(Error::HandshakeNotComplete) } else { Ok((client, server)) }
    }

    #[test]
    fn both_ends_know_who_the_other_is() {
        let (a, b) = (sessions(A, &[B]), sessions(B, &[A]));
        let (client, server) = meet(&a, B, &b, |_, _| {}).unwrap();
        assert_eq!((a.peer(&client), b.peer(&server)), (Ok(B), Ok(A)));
        let secret = Sessions::secret(&client).unwrap();
        assert_eq!(Sessions::secret(&server), Some(secret));
        let (other, _) = meet(&a, B, &b, |_, _| {}).unwrap();
        assert_ne!(Sessions::secret(&other), Some(secret), "each session has its own");
    }

    #[test]
    fn nobody_else_is_spoken_with() {
        let stranger = NodeId(12);
        let refused = |asker: &Sessions, to, other: &Sessions| meet(asker, to, other, |_, _| {}).unwrap_err();
        // Not in the set of the one that is asked: it is told so.
        let alert = refused(&sessions(stranger, &[B]), B, &sessions(B, &[A]));
        assert_eq!(alert, Error::AlertReceived(rustls::AlertDescription::AccessDenied));
        // One that answers with another key, or that of another member.
        let unknown = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        assert_eq!(refused(&sessions(A, &[B]), B, &sessions(stranger, &[A])), unknown);
        let other = Error::InvalidCertificate(CertificateError::NotValidForName);
        assert_eq!(refused(&sessions(A, &[B, stranger]), B, &sessions(stranger, &[A])), other);
    }

    #[test]
    fn keys_change_without_a_new_start() {
        let (a, b) = (sessions(A, &[B]), sessions(B, &[A]));
        let fresh = KeyPair::fresh();
        b.set_keys(&key(B), [(key(A).public(), A), (fresh.public(), A)]);
        meet(&a, B, &b, |_, _| {}).unwrap();
        a.set_keys(&fresh, [(key(B).public(), B)]);
        let (_, server) = meet(&a, B, &b, |_, _| {}).unwrap();
        assert_eq!(b.peer(&server), Ok(A));
        b.set_keys(&key(B), [(key(A).public(), A)]);
        assert!(b.peer(&server).is_err());
        assert_eq!(Sessions::shown(&server), Some(fresh.public()));
        assert_eq!((b.node_of(&fresh.public()), b.node_of(&key(A).public())), (None, Some(A)));
        meet(&a, B, &b, |_, _| {}).unwrap_err();
    }

    /// Whatever is changed of a handshake, on the way to either end, nobody believes to have met.
    #[test]
    fn a_handshake_that_is_tampered_with_fails() {
        let (a, b) = (sessions(A, &[B]), sessions(B, &[A]));
        let mut lengths = [0; 2];
        meet(&a, B, &b, |to_server, bytes| lengths[usize::from(to_server)] += bytes.len()).unwrap();
        let mut unharmed = 0;
        for to_server in [false, true] {
            for at in 0..lengths[usize::from(to_server)] {
                let mut passed = 0;
                let met = meet(&a, B, &b, |direction, bytes| {
                    if direction == to_server {
                        if let Some(byte) = at.checked_sub(passed).and_then(|at| bytes.get_mut(at)) {
                            *byte ^= 0x10;
                        }
                        passed += bytes.len();
                    }
                });
                // Versions that records claim are looked at by nobody (RFC 8446, section 5.1).
                if let Ok((client, server)) = met {
                    unharmed += 1;
                    assert_eq!((a.peer(&client), b.peer(&server)), (Ok(B), Ok(A)));
                    assert_eq!(Sessions::secret(&client), Sessions::secret(&server), "byte {at}, to {to_server}");
                }
            }
        }
        assert!(unharmed < 16 && lengths.iter().sum::<usize>() > 600, "{unharmed} of {lengths:?}");
    }
}
