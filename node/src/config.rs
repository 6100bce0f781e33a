//! The configuration of a node: one TOML file, each key of which `RAIN_*` in the environment can override.

use core::time::Duration;
use rain_cluster::members::MEMBERS_MAX;
use rain_cluster::{Members, MembersError, NodeId};
use rain_codec::Code;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a configuration cannot be used. Each names the key, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, a value of the wrong type.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said, with the place.
        message: String,
    },
    /// Members without an id.
    #[error("no `id` of {}; `rain config check {}` makes one for each, and says where to write it", of.join(", "), path.display())]
    NoId {
        /// The file.
        path: PathBuf,
        /// Whose: `node "A"`, `peer "B"`.
        of: Vec<String>,
    },
    /// A value that makes no sense.
    #[error("`{key}`: found {found}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What stands there.
        found: String,
        /// What could.
        expected: String,
    },
}

fn value(key: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.into(), found: found.into(), expected: expected.into() }
}

/// The file as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    node: String,
    id: Option<String>,
    catalog: Option<usize>,
    data: Vec<PathBuf>,
    #[serde(default = "default_code")]
    code: String,
    listen: Address,
    #[serde(rename = "key_file")]
    key: Option<PathBuf>,
    #[serde(rename = "token_file")]
    token: Option<PathBuf>,
    #[serde(default)]
    interfaces: Vec<FileInterface>,
    #[serde(default)]
    peers: Vec<FilePeer>,
    #[serde(default)]
    joined: bool,
    heartbeat_ms: Option<u64>,
    verify_reads: Option<String>,
    demo: Option<FileDemo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDemo {
    supervisor: String,
    #[serde(default)]
    false_downs: f64,
    #[serde(default)]
    seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileInterface {
    switch: String,
    address: Address,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePeer {
    name: String,
    id: Option<String>,
    http: String,
    addresses: BTreeMap<String, Address>,
}

/// An address that is refused in words that say what one is.
#[derive(Debug, Clone, Copy)]
struct Address(SocketAddr);

const ADDRESS: &str = "an address and a port, such as 192.0.2.10:80";

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AddressVisitor)
    }
}

struct AddressVisitor;

impl Visitor<'_> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(ADDRESS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        text.parse().map(Address).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Where nobody says.
const DEFAULT_VERIFY_READS: VerifyReads = VerifyReads::Crc;

fn default_code() -> String {
    "b-code:4".to_owned()
}

/// One of the node's network interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The switch it is plugged into.
    pub switch: String,
    /// Where the node listens for its peers.
    pub address: SocketAddr,
}

/// A node of the cluster, this one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name: a label, which may change.
    pub name: String,
    /// Who it is: minted once.
    pub id: NodeId,
    /// Where players reach it.
    pub http: String,
    /// Where this node reaches it, by switch; empty for this node itself.
    pub addresses: BTreeMap<String, SocketAddr>,
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// All nodes, by id.
    pub members: Vec<Member>,
    /// Their ids, and the quorums among them.
    pub cluster: Arc<Members>,
    /// The folder for columns.
    pub data: PathBuf,
    /// The array code of new titles.
    pub code: Arc<Code>,
    /// Where players connect.
    pub listen: SocketAddr,
    /// The key of the cluster; that of nobody where none was configured.
    pub key: [u8; 32],
    /// The token that lets others than this machine write.
    pub token: Option<String>,
    /// Where peers connect.
    pub interfaces: Vec<Interface>,
    /// The switches are joined to each other: every interface reaches every address of a peer.
    pub joined: bool,
    /// Between two pings of a path, longer on a node with very many; `None` for what suits how many it has.
    pub heartbeat: Option<Duration>,
    /// By what it is known that bytes of peers are those of their columns.
    pub verify_reads: VerifyReads,
    /// What a node of a demo knows of it.
    pub demo: Option<DemoMember>,
}

/// By what a reader knows that bytes which peers send are those of their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyReads {
    /// By their seals: whatever disks, memories and networks do to them is found. A member that lies is believed.
    Crc,
    /// Besides by the root of the column that the manifest names: such a member is found too.
    Hash,
}

/// What a node of a demo knows of the demo.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoMember {
    /// The supervisor's URL: it carries out what `POST /api/v1/faults` asks for.
    pub supervisor: String,
    /// Wrong verdicts "down" on paths that are up, per second: being wrong must be cheap.
    pub false_downs_per_second: f64,
    /// The seed of what is random in the demo.
    pub seed: u64,
}

/// One way to a peer, as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathAddresses {
    /// The switch it uses; `None` when it crosses several.
    pub switch: Option<String>,
    /// The switches that this node and the peer are plugged into at its ends.
    pub ends: [String; 2],
    /// This node's interface.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl core::fmt::Display for PathAddresses {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}>{}", self.local.ip(), self.remote)
    }
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing is changed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(path, &text, variables())
    }

    /// Checks the text of a configuration, with the variables that may override its keys. `path` is where it stands, for
    /// messages.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing is changed.
    pub fn parse(
        path: &Path,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = File::parse(path, text, variables)?;
        let of = file.without_id();
        if of.is_empty() { Self::check(file) } else { Err(ConfigError::NoId { path: path.to_owned(), of }) }
    }

    /// Checks the text of a configuration like [`parse`](Self::parse), as it will be once each member that has no id got
    /// one of `mint`. Those that were used are named.
    ///
    /// # Errors
    /// [`ConfigError`], of the rest.
    pub fn complete(
        path: &Path,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
        mut mint: impl FnMut() -> NodeId,
    ) -> Result<(Self, Vec<Minted>), ConfigError> {
        let mut file = File::parse(path, text, variables)?;
        let mut minted = Vec::new();
        let own = (&file.node, &mut file.id, true);
        let peers = file.peers.iter_mut().map(|peer| (&peer.name, &mut peer.id, false));
        for (name, id, is_own) in core::iter::once(own).chain(peers).filter(|(_, id, _)| id.is_none()) {
            let fresh = mint();
            *id = Some(fresh.to_string());
            minted.push(Minted { name: name.clone(), id: fresh, is_own });
        }
        Ok((Self::check(file)?, minted))
    }

    fn check(file: File) -> Result<Self, ConfigError> {
        let [data] = <[PathBuf; 1]>::try_from(file.data)
            .map_err(|found| value("data", format!("{} folders", found.len()), "one folder"))?;
        let code =
            Code::named(&file.code).map_err(|error| value("code", format!("`{}`", file.code), error.to_string()))?;
        if file.interfaces.is_empty() && !file.peers.is_empty() {
            return Err(value("interfaces", "none", "one for each switch that leads to a peer"));
        }
        for peer in &file.peers {
            check_peer(peer, &file.interfaces, file.joined)?;
        }
        let id = read_id("id", file.id.as_deref())?;
        let listen = file.listen.0;
        let http = format!("http://{listen}");
        let mut members = vec![Member { name: file.node.clone(), id, http, addresses: BTreeMap::new() }];
        for peer in file.peers {
            let id = read_id(&format!("peers.{}.id", peer.name), peer.id.as_deref())?;
            let addresses = peer.addresses.into_iter().map(|(switch, address)| (switch, address.0)).collect();
            members.push(Member { name: peer.name, id, http: peer.http, addresses });
        }
        let cluster = check_members(&mut members, &file.node, file.catalog)?;
        if members.len() < code.columns() {
            let expected = format!("at least {}, one for each column of {}", code.columns(), code.name());
            return Err(value("peers", format!("{} nodes with this one", members.len()), expected));
        }
        let interfaces: Vec<_> = file
            .interfaces
            .into_iter()
            .map(|interface| Interface { switch: interface.switch, address: interface.address.0 })
            .collect();
        let key = file.key.as_deref().map(read_key).transpose()?;
        if key.is_none() {
            for (name, address) in
                interfaces.iter().map(|interface| ("interfaces.address", interface.address)).chain([("listen", listen)])
            {
                if !is_loopback(address.ip()) {
                    return Err(value(name, address.to_string(), "a loopback address, or a `key_file`"));
                }
            }
        }
        let token = file.token.as_deref().map(read_token).transpose()?;
        Ok(Self {
            id,
            members,
            cluster: Arc::new(cluster),
            data,
            code: Arc::new(code),
            listen,
            key: key.unwrap_or_else(|| *blake3::hash(b"RAIN without a key").as_bytes()),
            token,
            interfaces,
            joined: file.joined,
            heartbeat: file.heartbeat_ms.map(check_heartbeat).transpose()?,
            verify_reads: file.verify_reads.as_deref().map_or(Ok(DEFAULT_VERIFY_READS), check_verify_reads)?,
            demo: file.demo.map(check_demo).transpose()?,
        })
    }

    /// The ways to a peer: over each switch that both are plugged into, and where the switches are joined also from
    /// each interface to each other address. Those within one switch come first.
    pub fn paths_to(&self, peer: &Member) -> Vec<PathAddresses> {
        let mut paths = Vec::new();
        for interface in &self.interfaces {
            for (switch, remote) in &peer.addresses {
                let same = interface.switch == *switch;
                if same || self.joined {
                    let ends = [interface.switch.clone(), switch.clone()];
                    let switch = same.then(|| switch.clone());
                    paths.push(PathAddresses { switch, ends, local: interface.address, remote: *remote });
                }
            }
        }
        paths.sort_by_key(|path| path.switch.is_none());
        paths
    }

    /// A member; `None` when there is no such one.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.binary_search_by_key(&id, |member| member.id).ok().map(|index| &self.members[index])
    }

    /// This node among the members.
    ///
    /// # Panics
    /// When `id` was changed to that of none.
    pub fn me(&self) -> &Member {
        self.member(self.id).expect("this node is a member")
    }

    /// All nodes in the order of their names, for people.
    pub fn by_name(&self) -> Vec<&Member> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_by_key(|member| &member.name);
        members
    }
}

/// An id for a member that had none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// The member's name.
    pub name: String,
    /// Its id.
    pub id: NodeId,
    /// It is the node whose configuration it is.
    pub is_own: bool,
}

impl File {
    /// Reads the text of a configuration, with the variables that override its keys.
    fn parse(path: &Path, text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let syntax = |error: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() };
        let mut table: toml::Table = text.parse().map_err(syntax)?;
        let overrides: Vec<_> = overrides(variables).collect();
        for (variable, key, replaced) in &overrides {
            // Other keys take any text here: what it must be is checked with the rest.
            if key == "listen" && replaced.as_str().is_none_or(|text| text.parse::<SocketAddr>().is_err()) {
                let found = replaced.as_str().unwrap_or_default();
                return Err(value(format!("{key} (by {variable})"), format!("`{found}`"), ADDRESS));
            }
            table.insert(key.clone(), replaced.clone());
        }
        // By itself the text tells where in it a mistake is.
        if overrides.is_empty() { toml::from_str(text) } else { table.try_into() }.map_err(syntax)
    }

    /// The members without an id, in words.
    fn without_id(&self) -> Vec<String> {
        let own = self.id.is_none().then(|| format!("node `{}`", self.node));
        let peers = self.peers.iter().filter(|peer| peer.id.is_none()).map(|peer| format!("peer `{}`", peer.name));
        own.into_iter().chain(peers).collect()
    }
}

fn read_id(key: &str, text: Option<&str>) -> Result<NodeId, ConfigError> {
    let expected = "eight hexadecimal digits in lower case, such as 3f9a0c21";
    let text = text.ok_or_else(|| value(key, "none", expected))?;
    text.parse().map_err(|_| value(key, format!("`{text}`"), expected))
}

/// Sorts the members by id; names and ids are each member's own.
fn check_members(members: &mut [Member], node: &str, catalog: Option<usize>) -> Result<Members, ConfigError> {
    members.sort_by(|left, right| left.name.cmp(&right.name));
    if let Some(member) = members.iter().find(|member| !is_name(&member.name)) {
        let key = if member.name == node { "node" } else { "peers.name" };
        let expected = "a name of letters, digits and signs in ASCII, without spaces";
        return Err(value(key, format!("`{}`", member.name), expected));
    }
    if let Some(twice) = members.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(value("peers.name", format!("`{}` twice", twice[0].name), "a name for each node"));
    }
    members.sort_by_key(|member| member.id);
    let ids = members.iter().map(|member| member.id).collect();
    Members::new(0, ids, catalog).map_err(|error| match error {
        MembersError::Twice(id) => {
            let of: Vec<_> =
                members.iter().filter(|member| member.id == id).map(|member| member.name.as_str()).collect();
            value("id", format!("`{id}` twice, of {}", of.join(" and ")), "an id for each node")
        }
        MembersError::Count { found } => {
            value("peers", format!("{found} nodes with this one"), format!("at most {MEMBERS_MAX}"))
        }
        MembersError::Catalog { found, expected } => {
            value("catalog", found.to_string(), format!("a number from 1 to {expected}, the number of nodes"))
        }
    })
}

/// A name stands in the names of links and in metrics.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

fn check_heartbeat(milliseconds: u64) -> Result<Duration, ConfigError> {
    if !(1..=1000).contains(&milliseconds) {
        return Err(value("heartbeat_ms", milliseconds.to_string(), "a number of milliseconds from 1 to 1000"));
    }
    Ok(Duration::from_millis(milliseconds))
}

fn check_verify_reads(text: &str) -> Result<VerifyReads, ConfigError> {
    match text {
        "crc" => Ok(VerifyReads::Crc),
        "hash" => Ok(VerifyReads::Hash),
        other => Err(value("verify_reads", format!("`{other}`"), "\"crc\" or \"hash\"")),
    }
}

fn check_demo(demo: FileDemo) -> Result<DemoMember, ConfigError> {
    let FileDemo { supervisor, false_downs, seed } = demo;
    if !(0.0..=1000.0).contains(&false_downs) {
        return Err(value("demo.false_downs", false_downs.to_string(), "a number per second from 0 to 1000"));
    }
    Ok(DemoMember { supervisor, false_downs_per_second: false_downs, seed })
}

fn check_peer(peer: &FilePeer, interfaces: &[FileInterface], joined: bool) -> Result<(), ConfigError> {
    let key = format!("peers.{}.addresses", peer.name);
    for switch in peer.addresses.keys() {
        if !joined && !interfaces.iter().any(|interface| interface.switch == *switch) {
            return Err(value(key, format!("switch `{switch}`"), "a switch of one of this node's `interfaces`"));
        }
    }
    if peer.addresses.is_empty() { Err(value(key, "none", "an address on one switch at least")) } else { Ok(()) }
}

/// Reads a file that nobody else may read.
fn read_secret(key: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(value(key, format!("{} with mode {mode:04o}", path.display()), "mode 0600"));
    }
    std::fs::read(path).map_err(unreadable)
}

/// A key is at least 32 bytes; their BLAKE3 is what is used. Text may end with a line; other bytes are taken as they are.
fn read_key(path: &Path) -> Result<[u8; 32], ConfigError> {
    let bytes = read_secret("key_file", path)?;
    let secret = str::from_utf8(&bytes).map_or(bytes.as_slice(), |text| text.trim().as_bytes());
    if secret.len() < 32 {
        return Err(value(
            "key_file",
            format!("{} bytes in {}", secret.len(), path.display()),
            "at least 32 bytes of secret",
        ));
    }
    Ok(*blake3::hash(secret).as_bytes())
}

/// A token goes into a header as it is.
fn read_token(path: &Path) -> Result<String, ConfigError> {
    let bytes = read_secret("token_file", path)?;
    let token = bytes.trim_ascii();
    let is_fit = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let text = str::from_utf8(token).ok().filter(|_| is_fit);
    text.map(str::to_owned).ok_or_else(|| {
        let found = if token.is_empty() { "nothing" } else { "other bytes than those" };
        let expected = "letters, digits and signs in ASCII, without spaces";
        value("token_file", format!("{found} in {}", path.display()), expected)
    })
}

/// The keys that variables may replace, each by `RAIN_` and its name in capitals.
const OVERRIDDEN: [&str; 8] = ["node", "id", "data", "code", "listen", "key_file", "token_file", "verify_reads"];

/// The variables of this process that are text; the others replace nothing.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

/// The variables that may replace keys of a configuration.
pub fn override_names() -> impl Iterator<Item = String> {
    OVERRIDDEN.into_iter().map(|key| format!("RAIN_{}", key.to_uppercase()))
}

/// The variables that replace keys: `RAIN_LISTEN=127.0.0.1:80` is `listen = "127.0.0.1:80"`.
fn overrides(variables: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, String, toml::Value)> {
    variables.filter_map(|(variable, text)| {
        let key = variable.strip_prefix("RAIN_")?.to_lowercase();
        let text = OVERRIDDEN.contains(&key.as_str()).then_some(toml::Value::String(text))?;
        let replaced = if key == "data" { toml::Value::Array(vec![text]) } else { text };
        Some((variable, key, replaced))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        node = "B"
        id = "0000000b"
        data = ["/x"]
        listen = "127.0.0.1:8080"
        interfaces = [{ switch = "s1", address = "127.0.0.1:9001" }]
        peers = [
            { name = "A", id = "0000000a", http = "http://a", addresses = { s1 = "127.0.0.2:9001" } },
            { name = "C", id = "00000001", http = "http://c", addresses = { s1 = "127.0.0.3:9001" } },
            { name = "D", id = "0000000d", http = "http://d", addresses = { s1 = "127.0.0.4:9001" } },
        ]
    "#;

    fn check(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("x.toml"), text, core::iter::empty()).map_err(|error| error.to_string())
    }

    #[test]
    fn nodes_are_known_by_their_ids_and_called_by_their_names() {
        let config = check(GOOD).unwrap();
        assert_eq!((config.id, config.me().name.as_str()), (NodeId(11), "B"));
        let names = |members: Vec<&Member>| members.iter().map(|member| member.name.as_str()).collect::<String>();
        assert_eq!((names(config.members.iter().collect()), names(config.by_name())), ("CABD".into(), "ABCD".into()));
        assert_eq!(config.member(NodeId(10)).map(|member| member.name.as_str()), Some("A"));
        assert_eq!(config.member(NodeId(2)), None);
        let quorum = config.cluster.quorum();
        assert_eq!((quorum.catalog(), quorum.write(), quorum.read()), (4, 3, 2));
        let smaller = check(&GOOD.replace("id = \"0000000b\"", "id = \"0000000b\"\ncatalog = 3")).unwrap();
        assert_eq!(smaller.cluster.quorum().catalog(), 3);
    }

    #[test]
    fn ids_are_minted_for_those_that_have_none() {
        let without = GOOD.replace("        id = \"0000000b\"\n", "").replace("id = \"0000000d\", ", "");
        let error = check(&without).unwrap_err();
        assert_eq!(
            error,
            "no `id` of node `B`, peer `D`; `rain config check x.toml` makes one for each, and says where to write it"
        );
        let mut next = 0;
        let mint = || {
            next += 1;
            NodeId(next + 0x100)
        };
        let (config, minted) = Config::complete(Path::new("x.toml"), &without, core::iter::empty(), mint).unwrap();
        let minted: Vec<_> = minted.iter().map(|minted| (minted.name.as_str(), minted.id.0, minted.is_own)).collect();
        assert_eq!(minted, [("B", 0x101, true), ("D", 0x102, false)]);
        assert_eq!((config.id, config.members.len()), (NodeId(0x101), 4));
        let (_, minted) =
            Config::complete(Path::new("x.toml"), GOOD, core::iter::empty(), || panic!("all have ids")).unwrap();
        assert_eq!(minted, []);
    }

    #[test]
    fn mistakes_are_named_with_what_was_expected() {
        for (from, to, named) in [
            ("data = [\"/x\"]", "data = []", "`data`: found 0 folders, expected one folder"),
            ("node = \"B\"", "node = \"B\"\ncode = \"b-code:99\"", "`code`: found `b-code:99`"),
            ("node = \"B\"", "node = \"A\"", "`peers.name`: found `A` twice"),
            ("0000000b", "0000000B", "`id`: found `0000000B`, expected eight hexadecimal digits"),
            ("0000000d", "d", "`peers.D.id`: found `d`, expected eight hexadecimal digits"),
            ("0000000d", "0000000a", "`id`: found `0000000a` twice, of A and D, expected an id for each node"),
            ("node = \"B\"", "node = \"B\"\ncatalog = 5", "`catalog`: found 5, expected a number from 1 to 4"),
            ("node = \"B\"", "node = \"B\"\ncatalog = 0", "`catalog`: found 0, expected a number from 1 to 4"),
            // Peers refused every request of a node with such a name.
            ("node = \"B\"", "node = \"B 2\"", "`node`: found `B 2`, expected a name"),
            ("node = \"B\"", "node = \"\"", "`node`: found ``, expected a name"),
            ("name = \"A\"", "name = \"\u{e4}\"", "`peers.name`: found `\u{e4}`, expected a name"),
            (
                "node = \"B\"",
                "node = \"B\"\ncode = \"b-code:5\"",
                "expected at least 5, one for each column of b-code:5",
            ),
            ("{ s1 = \"127.0.0.2:9001\" }", "{ s2 = \"127.0.0.2:9001\" }", "`peers.A.addresses`: found switch `s2`"),
            (
                "listen = \"127.0.0.1:8080\"",
                "listen = \"0.0.0.0:8080\"",
                "`listen`: found 0.0.0.0:8080, expected a loopback",
            ),
            (
                "node = \"B\"",
                "node = \"B\"\nverify_reads = \"sha\"",
                "`verify_reads`: found `sha`, expected \"crc\" or \"hash\"",
            ),
            ("node = \"B\"", "nodes = \"B\"", "unknown field `nodes`"),
            ("listen = \"127.0.0.1:8080\"", "listen = 5", "integer `5`, expected an address and a port"),
            ("listen = \"127.0.0.1:8080\"", "listen = \"here\"", "string \"here\", expected an address and a port"),
            (
                "address = \"127.0.0.1:9001\"",
                "address = \"127.0.0.1\"",
                "string \"127.0.0.1\", expected an address and",
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = check(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(named), "{to}: {error}");
        }
    }

    #[test]
    fn reads_are_verified_as_it_is_said() {
        let with = |line: &str| check(&GOOD.replace("node = \"B\"", &format!("node = \"B\"\n{line}")));
        assert_eq!(check(GOOD).unwrap().verify_reads, DEFAULT_VERIFY_READS);
        assert_eq!(with("verify_reads = \"crc\"").unwrap().verify_reads, VerifyReads::Crc);
        assert_eq!(with("verify_reads = \"hash\"").unwrap().verify_reads, VerifyReads::Hash);
    }

    #[test]
    fn joined_switches_give_a_path_for_each_pair_of_addresses() {
        let two = GOOD
            .replace("interfaces = [", "interfaces = [{ switch = \"s2\", address = \"127.0.1.1:9001\" }, ")
            .replace("{ s1 = \"127.0.0.2:9001\" }", "{ s1 = \"127.0.0.2:9001\", s2 = \"127.0.1.2:9001\" }");
        let paths = |text: &str| {
            let config = check(text).unwrap();
            config
                .paths_to(config.by_name()[0])
                .into_iter()
                .map(|path| (path.switch, path.local, path.remote))
                .collect()
        };
        let path = |switch: Option<&str>, local: &str, remote: &str| {
            (switch.map(str::to_owned), local.parse::<SocketAddr>().unwrap(), remote.parse::<SocketAddr>().unwrap())
        };
        let within = [
            path(Some("s2"), "127.0.1.1:9001", "127.0.1.2:9001"),
            path(Some("s1"), "127.0.0.1:9001", "127.0.0.2:9001"),
        ];
        let found: Vec<_> = paths(&two);
        assert_eq!(found.len(), 2);
        assert!(within.iter().all(|path| found.contains(path)), "{found:?}");
        let found: Vec<_> = paths(&format!("joined = true\n{two}"));
        let across = [path(None, "127.0.1.1:9001", "127.0.0.2:9001"), path(None, "127.0.0.1:9001", "127.0.1.2:9001")];
        assert_eq!(found.len(), 4);
        assert!(found[..2].iter().all(|path| within.contains(path)), "{found:?}");
        assert!(found[2..].iter().all(|path| across.contains(path)), "{found:?}");
    }

    #[test]
    fn the_environment_overrides() {
        let variables = [("RAIN_NODE", "Z"), ("RAIN_DATA", "/y"), ("RAIN_UNKNOWN", "1"), ("HOME", "/")];
        let found = overrides(variables.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())));
        let found: Vec<_> = found.map(|(name, key, replaced)| format!("{name} {key} {replaced}")).collect();
        assert_eq!(found, ["RAIN_NODE node \"Z\"", "RAIN_DATA data [\"/y\"]"]);
    }
}
