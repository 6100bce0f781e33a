//! A checked configuration.

use crate::check::{
    check_console, check_demo, check_heartbeat, check_members, check_peer, check_verify_reads, is_loopback, read_id,
};
use crate::error::{ConfigError, value};
use crate::file::{File, FileInterface, variables};
use crate::join::{Join, check_join};
use crate::keys::NodeKeys;
use crate::limits::check_limits;
use crate::member::{DemoMember, Interface, Member, VerifyReads};
use crate::reloadable::Reloadable;
use crate::secret::read_key;
use crate::token::AccessTokens;
use core::time::Duration;
use rain_cluster::register::ADDRESSES_MAX;
use rain_cluster::{Members, NodeId};
use rain_codec::Code;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where nobody says.
const DEFAULT_VERIFY_READS: VerifyReads = VerifyReads::Crc;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it stands, to be read anew.
    pub file: PathBuf,
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
    /// Where players and others reach it, where the file says so; else it is made of `listen`.
    pub http: Option<String>,
    /// Where peers connect.
    pub interfaces: Vec<Interface>,
    /// The node joins a cluster that there is: by whom it finds it. Then its file names no other member.
    pub join: Option<Join>,
    /// The switches are joined to each other: every interface reaches every address of a peer.
    pub joined: bool,
    /// Between two pings of a path, longer on a node with very many; `None` for what suits how many it has.
    pub heartbeat: Option<Duration>,
    /// By what it is known that bytes of peers are those of their columns.
    pub verify_reads: VerifyReads,
    /// Columns travel sealed; else those in the clear that prove themselves.
    pub peer_privacy: bool,
    /// Players' listener has the console too.
    pub console: bool,
    /// What a node of a demo knows of it.
    pub demo: Option<DemoMember>,
    /// What can change while the node runs, as it was read.
    pub reloadable: Reloadable,
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
        if of.is_empty() { Self::check(path, file) } else { Err(ConfigError::NoId { path: path.to_owned(), of }) }
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
        Ok((Self::check(path, file)?, minted))
    }

    fn check(path: &Path, file: File) -> Result<Self, ConfigError> {
        let [data] = <[PathBuf; 1]>::try_from(file.data)
            .map_err(|found| value("data", format!("{} folders", found.len()), "one folder"))?;
        let code =
            Code::named(&file.code).map_err(|error| value("code", format!("`{}`", file.code), error.to_string()))?;
        if file.interfaces.len() > ADDRESSES_MAX {
            return Err(value("interfaces", file.interfaces.len().to_string(), format!("at most {ADDRESSES_MAX}")));
        }
        if file.interfaces.is_empty() && (!file.peers.is_empty() || file.join.is_some()) {
            return Err(value("interfaces", "none", "one for each switch that leads to a peer"));
        }
        for peer in &file.peers {
            check_peer(peer, &file.interfaces, file.joined)?;
        }
        let id = read_id("id", file.id.as_deref())?;
        let listen = file.listen.0;
        let http = file.http.clone().unwrap_or_else(|| format!("http://{listen}"));
        let mut members = vec![Member { name: file.node.clone(), id, http, addresses: BTreeMap::new() }];
        let mut keys = Vec::new();
        for peer in file.peers {
            let id = read_id(&format!("peers.{}.id", peer.name), peer.id.as_deref())?;
            keys.push((peer.name.clone(), id, peer.keys));
            let addresses = peer.addresses.into_iter().map(|(switch, address)| (switch, address.0)).collect();
            members.push(Member { name: peer.name, id, http: peer.http, addresses });
        }
        let cluster = check_members(&mut members, &file.node, file.catalog)?;
        let join = file.join.map(check_join).transpose()?;
        if join.is_some() && members.len() > 1 {
            let expected = "none: a node that joins a cluster learns them from it";
            return Err(value("peers", format!("{}, with `join`", members.len() - 1), expected));
        }
        if members.len() < code.columns() && join.is_none() {
            let expected = format!("at least {}, one for each column of {}", code.columns(), code.name());
            return Err(value("peers", format!("{} nodes with this one", members.len()), expected));
        }
        let interfaces: Vec<_> = file
            .interfaces
            .into_iter()
            .map(|FileInterface { switch, address, reached_at }| Interface {
                switch,
                address: address.0,
                reached_at: reached_at.map(|address| address.0),
            })
            .collect();
        let verify_reads = file.verify_reads.as_deref().map_or(Ok(DEFAULT_VERIFY_READS), check_verify_reads)?;
        let peer_privacy = file.peer_privacy.unwrap_or(true);
        if !peer_privacy && verify_reads == VerifyReads::Crc {
            return Err(value(
                "peer_privacy",
                "false, with verify_reads = \"crc\"".to_owned(),
                "true, or verify_reads = \"hash\": what comes in the clear must prove itself",
            ));
        }
        let key = file.key.as_deref().map(read_key).transpose()?;
        let has_key = key.is_some();
        let keys = NodeKeys::check(key, (&file.node, id), &keys)?;
        if !has_key {
            for (name, address) in
                interfaces.iter().map(|interface| ("interfaces.address", interface.address)).chain([("listen", listen)])
            {
                if !is_loopback(address.ip()) {
                    return Err(value(name, address.to_string(), "a loopback address, or a `key_file`"));
                }
            }
        }
        Ok(Self {
            file: path.to_owned(),
            id,
            members,
            cluster: Arc::new(cluster),
            data,
            code: Arc::new(code),
            listen,
            http: file.http,
            interfaces,
            join,
            joined: file.joined,
            heartbeat: file.heartbeat_ms.map(check_heartbeat).transpose()?,
            verify_reads,
            peer_privacy,
            console: check_console(file.console, listen),
            demo: file.demo.map(check_demo).transpose()?,
            reloadable: Reloadable {
                tokens: AccessTokens::check(file.tokens)?,
                keys,
                limits: check_limits(&file.limits)?,
            },
        })
    }

    /// The keys in which another configuration differs, and that take a restart.
    pub fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        // Every field is here: one that is new must be thought of.
        let Self {
            file: _,
            id,
            members: _,
            cluster,
            data,
            code,
            listen,
            http,
            interfaces,
            join,
            joined,
            heartbeat,
            verify_reads,
            peer_privacy,
            console,
            demo,
            reloadable: _,
        } = self;
        [
            ("node", self.me().name != other.me().name),
            ("id", *id != other.id),
            ("peers", self.others().ne(other.others())),
            ("catalog", cluster.quorum() != other.cluster.quorum()),
            ("data", *data != other.data),
            ("code", code.name() != other.code.name()),
            ("listen", *listen != other.listen),
            ("http", *http != other.http),
            ("interfaces", *interfaces != other.interfaces),
            ("join", *join != other.join),
            ("joined", *joined != other.joined),
            ("heartbeat_ms", *heartbeat != other.heartbeat),
            ("verify_reads", *verify_reads != other.verify_reads),
            ("peer_privacy", *peer_privacy != other.peer_privacy),
            ("console", *console != other.console),
            ("demo", *demo != other.demo),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }

    fn others(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.id != self.id)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Role;
    use rain_session::KeyPair;

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
    fn keys_are_of_all_nodes_or_of_none_and_each_of_one() {
        let folder = std::env::temp_dir().join(format!("rain-config-keys-{}", std::process::id()));
        let own = KeyPair::fresh();
        std::fs::write(&folder, own.to_pem()).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let with = |keys: [&str; 3]| {
            let mut text = GOOD.replace("node = \"B\"", &format!("node = \"B\"\nkey_file = {folder:?}"));
            for (name, key) in ["A", "C", "D"].into_iter().zip(keys) {
                let peer = format!("name = \"{name}\", ");
                text = text.replace(&peer, &if key.is_empty() { peer.clone() } else { format!("{peer}key = {key}, ") });
            }
            text
        };
        let [a, c, d] = [1, 2, 3].map(|node| KeyPair::of_nobody(NodeId(node)).public());
        let quoted = |key: &dyn core::fmt::Display| format!("\"{key}\"");
        let several = format!("[{}, {}]", quoted(&a), quoted(&KeyPair::of_nobody(NodeId(9)).public()));
        let config = check(&with([&several, &quoted(&c), &quoted(&d)])).unwrap();
        let NodeKeys { own: found, peers } = &config.reloadable.keys;
        assert_eq!((found, peers.len()), (&own, 4));
        assert_eq!((peers[&a], peers[&c], peers[&d]), (NodeId(10), NodeId(1), NodeId(13)));
        for (keys, named) in [
            ([&*quoted(&a), "", &quoted(&d)], "`peers.C.key`: found none, expected its public key"),
            (
                [&quoted(&a), &quoted(&a), &quoted(&d)],
                "`peers.C.key`: found the key of A, expected a key for each node",
            ),
            ([&quoted(&own.public()), &quoted(&c), &quoted(&d)], "`peers.A.key`: found the key of B"),
            ([&quoted(&"short"), &quoted(&c), &quoted(&d)], "`peers.A.key`: found `short`, expected 64 hexadecimal"),
            (["5", &quoted(&c), &quoted(&d)], "a public key, or a list of them"),
        ] {
            let error = check(&with(keys)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        let error =
            check(&GOOD.replace("name = \"A\", ", &format!("name = \"A\", key = {}, ", quoted(&a)))).unwrap_err();
        assert!(error.contains("`peers.A.key`: found one, expected a `key_file` of this node besides"), "{error}");
        std::fs::write(&folder, "thirty-two bytes of some other secret").unwrap();
        let error = check(&with([&several, &quoted(&c), &quoted(&d)])).unwrap_err();
        assert!(
            error.contains("`key_file`: found no private key in PEM") && error.contains("`rain key new`"),
            "{error}"
        );
        std::fs::remove_file(&folder).unwrap();
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
            (
                "node = \"B\"",
                "node = \"B\"\npeer_privacy = false",
                "`peer_privacy`: found false, with verify_reads = \"crc\", expected true, or verify_reads = \"hash\"",
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

    /// What the cluster's own configuration has no room for could never be founded.
    #[test]
    fn what_is_too_long_is_named() {
        let long = "b".repeat(65);
        for (from, to, named) in [
            ("node = \"B\"", format!("node = \"{long}\""), "`name`: found 65 bytes, expected at most 64"),
            ("name = \"A\"", format!("name = \"{long}\""), "name`: found 65 bytes, expected at most 64"),
            ("http://c", format!("http://{long}{long}"), "`peers.C.http`: found 137 bytes, expected at most 128"),
        ] {
            let error = check(&GOOD.replace(from, &to)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        let nine: Vec<_> =
            (1..=9).map(|at| format!("{{ switch = \"s{at}\", address = \"127.0.{at}.1:9001\" }}")).collect();
        let many = GOOD.replace("{ switch = \"s1\", address = \"127.0.0.1:9001\" }", &nine.join(", "));
        assert!(check(&many).unwrap_err().contains("`interfaces`: found 9, expected at most 8"));
    }

    #[test]
    fn reads_are_verified_as_it_is_said() {
        let with = |line: &str| check(&GOOD.replace("node = \"B\"", &format!("node = \"B\"\n{line}")));
        assert_eq!(check(GOOD).unwrap().verify_reads, DEFAULT_VERIFY_READS);
        assert_eq!(with("verify_reads = \"crc\"").unwrap().verify_reads, VerifyReads::Crc);
        assert_eq!(with("verify_reads = \"hash\"").unwrap().verify_reads, VerifyReads::Hash);
    }

    #[test]
    fn tokens_are_each_somebody_s() {
        let hash = "ab".repeat(32);
        let token = |name: &str, hash: &str, rest: &str| {
            format!("[[tokens]]\nname = \"{name}\"\nhash = \"{hash}\"\nrole = \"publisher\"\n{rest}\n")
        };
        let with = |tokens: &str| check(&format!("{GOOD}\n{tokens}"));
        let found = with(&token("alice", &hash, "prefix = \"films/\"")).unwrap().reloadable.tokens;
        let alice = found.find(&blake3::Hash::from_bytes([0xab; 32])).unwrap();
        assert_eq!((alice.name.as_str(), alice.role, alice.prefix.as_str()), ("alice", Role::Publisher, "films/"));
        assert!(found.find(&blake3::Hash::from_bytes([0xac; 32])).is_none());
        assert!(check(GOOD).unwrap().reloadable.tokens.is_empty());
        let other = "cd".repeat(32);
        for (tokens, named) in [
            (token("", &hash, ""), "`tokens.name`: found ``"),
            (token("a b", &hash, ""), "`tokens.name`: found `a b`"),
            (token("loopback", &hash, ""), "found `loopback`, expected none of"),
            (token("alice", &hash[1..], ""), "`tokens.alice.hash`: found 63 characters, expected 64"),
            (token("alice", &hash.to_uppercase(), ""), "`tokens.alice.hash`: found 64 characters"),
            (token("alice", &hash, "prefix = \"/films\""), "`tokens.alice.prefix`: found `/films`"),
            (token("alice", &hash, "prefix = \"a\\u0000\""), "`tokens.alice.prefix`"),
            (token("alice", &hash, "") + &token("alice", &other, ""), "`tokens.name`: found `alice` twice"),
            (token("alice", &hash, "") + &token("bob", &hash, ""), "`tokens.bob.hash`: found that of `alice` again"),
            (
                token("alice", &hash, "").replace("publisher", "root"),
                "`tokens.role`: found `root`, expected \"viewer\"",
            ),
            (
                token("alice", &hash, "prefix = \"a\"").replace("publisher", "operator"),
                "`tokens.alice.prefix`: found `a`, expected none",
            ),
            (token("alice", &hash, "colour = 1"), "colour"),
        ] {
            let error = with(&tokens).unwrap_err();
            assert!(error.contains(named), "{tokens}: {error}");
        }
    }

    #[test]
    fn what_takes_a_restart_is_named_by_its_key() {
        let running = check(GOOD).unwrap();
        let token = format!("\n[[tokens]]\nname = \"a\"\nrole = \"viewer\"\nhash = \"{}\"\n", "0".repeat(64));
        for (from, to, expected) in [
            ("data = [\"/x\"]", "data = [\"/y\"]", vec!["data"]),
            ("node = \"B\"", "node = \"Z\"", vec!["node"]),
            ("http://c", "http://d", vec!["peers"]),
            ("id = \"0000000b\"", "id = \"0000000b\"\ncatalog = 3", vec!["catalog"]),
            ("127.0.0.1:8080", "127.0.0.1:8081", vec!["listen"]),
            ("node = \"B\"", "node = \"B\"\nhttp = \"http://b\"", vec!["http"]),
            ("127.0.0.1:9001\" }", "127.0.0.1:9001\", reached_at = \"127.0.0.7:9001\" }", vec!["interfaces"]),
            ("127.0.0.1:9001", "127.0.0.1:9002", vec!["interfaces"]),
            ("node = \"B\"", "node = \"B\"\ncode = \"parity:2+1\"\njoined = true", vec!["code", "joined"]),
            ("node = \"B\"", "node = \"B\"\nverify_reads = \"hash\"\nconsole = false", vec!["verify_reads", "console"]),
            (
                "node = \"B\"",
                "node = \"B\"\nverify_reads = \"hash\"\npeer_privacy = false",
                vec!["verify_reads", "peer_privacy"],
            ),
            ("        ]\n", &format!("        ]\n{token}"), vec![]),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(running.needs_restart(&check(&GOOD.replace(from, to)).unwrap()), expected, "{to}");
        }
    }

    #[test]
    fn the_console_is_for_this_machine_unless_it_is_said() {
        let [here, anywhere] = ["127.0.0.1:80", "0.0.0.0:80"].map(|listen| listen.parse().unwrap());
        let found = [None, Some(true), Some(false)].map(|asked| [here, anywhere].map(|at| check_console(asked, at)));
        assert_eq!(found, [[true, false], [true, true], [false, false]]);
        assert!(check(GOOD).unwrap().console);
        assert!(!check(&GOOD.replace("node = \"B\"", "node = \"B\"\nconsole = false")).unwrap().console);
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
}
