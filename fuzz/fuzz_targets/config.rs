//! A configuration is refused with the key that is wrong, or it is one that a node can run with.
//!
//! Oracle: for files made of parts, what the parts say of each other; for any text that is taken, what the rest of the
//! program relies on, and a file written from the outcome that is read as the same.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_cluster::Placement;
use rain_cluster::members::MEMBERS_MAX;
use rain_config::{Config, ConfigError};
use rain_session::KeyPair;

#[derive(Debug, Arbitrary)]
enum Case<'a> {
    Text { file: &'a str, variable: Option<(&'a str, &'a str)> },
    Parts(Parts<'a>),
}

#[derive(Debug, Arbitrary)]
struct Parts<'a> {
    node: Name<'a>,
    folders: u8,
    code: Option<CodeName<'a>>,
    listen: Address,
    interfaces: Vec<(u8, Address)>,
    peers: Vec<(Name<'a>, Vec<u8>)>,
    joined: Option<bool>,
    unknown: bool,
    ids: Vec<u8>,
    catalog: Option<u8>,
}

#[derive(Debug, Arbitrary)]
enum Name<'a> {
    Plain(u8),
    Any(&'a str),
}

#[derive(Debug, Arbitrary)]
enum CodeName<'a> {
    BCode(u8),
    XCode(u8),
    ReedSolomon(u8, u8),
    Any(&'a str),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Address {
    is_loopback: bool,
    last: u8,
    port: u16,
}

impl Address {
    fn socket(self) -> SocketAddr {
        let first = if self.is_loopback { 127 } else { 10 };
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(first, 0, 0, self.last)), self.port)
    }
}

fuzz_target!(|case: Case<'_>| {
    match case {
        Case::Text { file, variable } => {
            // Files of the machine are none of the fuzzer's business.
            let variable = variable.filter(|(name, _)| !name.ends_with("_FILE"));
            if file.contains("_file") {
                return;
            }
            let variables = variable.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            if let Ok(config) = Config::parse(Path::new("node.toml"), file, variables) {
                check(&config);
            }
        }
        Case::Parts(parts) => {
            let file = parts.file();
            match (parse(&file), parts.is_sound()) {
                (Ok(config), true) => check(&config),
                (Err(_), false) => {}
                (Err(error), true) => panic!("{error}:\n{file}"),
                (Ok(_), false) => panic!("taken:\n{file}"),
            }
        }
    }
});

fn parse(file: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("node.toml"), file, [].into_iter())
}

impl Name<'_> {
    fn text(&self) -> String {
        match self {
            Name::Plain(number) => format!("node-{number}"),
            Name::Any(text) => (*text).to_owned(),
        }
    }
}

/// A string in TOML; JSON's are, but for the character DEL.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string").replace('\u{7f}', "\\u007f")
}

impl Parts<'_> {
    fn code(&self) -> String {
        match &self.code {
            None => "b-code:4".to_owned(),
            Some(CodeName::BCode(columns)) => format!("b-code:{columns}"),
            Some(CodeName::XCode(columns)) => format!("x-code:{columns}"),
            Some(CodeName::ReedSolomon(data, parity)) => format!("rs:{data}+{parity}"),
            Some(CodeName::Any(name)) => (*name).to_owned(),
        }
    }

    /// The ids of the node and its peers; two may be the same.
    fn id(&self, place: usize) -> String {
        format!("{:08x}", self.ids.get(place).map_or(0x100 + place, |id| usize::from(*id)))
    }

    fn peers(&self) -> impl Iterator<Item = (String, BTreeSet<u8>)> {
        self.peers.iter().take(30).map(|(name, switches)| (name.text(), switches.iter().map(|s| s % 4).collect()))
    }

    fn interfaces(&self) -> impl Iterator<Item = (u8, Address)> {
        self.interfaces.iter().take(8).map(|(switch, address)| (switch % 4, *address))
    }

    fn file(&self) -> String {
        let folders: Vec<String> = (0..self.folders % 4).map(|folder| format!("\"/data/{folder}\"")).collect();
        let mut file = format!("node = {}\ndata = [{}]\n", quoted(&self.node.text()), folders.join(", "));
        writeln!(file, "id = \"{}\"", self.id(0)).expect("a string takes all");
        if let Some(catalog) = self.catalog {
            writeln!(file, "catalog = {catalog}").expect("a string takes all");
        }
        let mut line = |text: String| writeln!(file, "{text}").expect("a string takes all");
        line(format!("listen = \"{}\"", self.listen.socket()));
        if self.code.is_some() {
            line(format!("code = {}", quoted(&self.code())));
        }
        if let Some(joined) = self.joined {
            line(format!("joined = {joined}"));
        }
        if self.unknown {
            line("colour = \"blue\"".to_owned());
        }
        for (switch, address) in self.interfaces() {
            line(format!("[[interfaces]]\nswitch = \"s{switch}\"\naddress = \"{}\"", address.socket()));
        }
        for (place, (name, switches)) in (1..).zip(self.peers()) {
            let id = self.id(place);
            line(format!(
                "[[peers]]\nname = {}\nid = \"{id}\"\nhttp = \"http://p:80\"\n[peers.addresses]",
                quoted(&name)
            ));
            for switch in switches {
                line(format!("s{switch} = \"127.0.1.1:{switch}\""));
            }
        }
        file
    }

    fn is_sound(&self) -> bool {
        let Ok(code) = rain_codec::Code::named(&self.code()) else { return false };
        let names: Vec<String> = self.peers().map(|(name, _)| name).chain([self.node.text()]).collect();
        let plugged: BTreeSet<u8> = self.interfaces().map(|(switch, _)| switch).collect();
        let joined = self.joined == Some(true);
        let reaches = |switches: &BTreeSet<u8>| !switches.is_empty() && (joined || switches.is_subset(&plugged));
        // A name stands in the names of links and in metrics.
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        !self.unknown
            && self.folders % 4 == 1
            && names.iter().all(is_name)
            && names.iter().collect::<BTreeSet<_>>().len() == names.len()
            && names.len() >= code.columns()
            && names.len() <= MEMBERS_MAX
            && (0..names.len()).map(|place| self.id(place)).collect::<BTreeSet<_>>().len() == names.len()
            && self.catalog.is_none_or(|catalog| (1..=names.len()).contains(&usize::from(catalog)))
            && (names.len() == 1 || !plugged.is_empty())
            && self.peers().all(|(_, switches)| reaches(&switches))
            && self.interfaces().all(|(_, address)| address.is_loopback)
            && self.listen.is_loopback
    }
}

/// What the rest of the program relies on.
fn check(config: &Config) {
    let names: Vec<&str> = config.by_name().into_iter().map(|member| member.name.as_str()).collect();
    assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    assert!(config.members.is_sorted_by(|left, right| left.id < right.id), "{config:?}");
    assert!(config.members.iter().all(|member| config.member(member.id) == Some(member)), "{config:?}");
    assert_eq!(config.me().id, config.id);
    assert!(config.listen.ip().is_loopback(), "{config:?}");
    assert!(config.interfaces.iter().all(|interface| interface.address.ip().is_loopback()), "{config:?}");
    let placement = Placement::choose("film", &config.cluster, config.code.columns(), None, |_| None);
    assert_eq!(placement.nodes().collect::<BTreeSet<_>>().len(), config.code.columns());
    assert_eq!(config.cluster.catalog_of("film").nodes().len(), config.cluster.quorum().catalog());
    for peer in config.members.iter().filter(|member| member.id != config.id) {
        assert!(!config.paths_to(peer).is_empty(), "no path to {}: {config:?}", peer.name);
    }
    // Files are not read here, and without one nobody has a key.
    let keys = &config.reloadable.keys;
    assert_eq!(keys.own, KeyPair::of_nobody(config.id));
    let others = config.members.iter().map(|member| member.id).filter(|id| *id != config.id);
    assert_eq!(keys.peers, others.map(|id| (KeyPair::of_nobody(id).public(), id)).collect());

    let again = parse(&written(config)).expect("what was read can be written");
    assert_eq!((&again.members, again.id, again.joined), (&config.members, config.id, config.joined));
    assert_eq!(again.cluster, config.cluster);
    assert_eq!((&again.data, again.listen, &again.interfaces), (&config.data, config.listen, &config.interfaces));
    assert_eq!((again.code.name(), &again.demo), (config.code.name(), &config.demo));
}

fn written(config: &Config) -> String {
    let mut file = String::new();
    let mut line = |text: String| writeln!(file, "{text}").expect("a string takes all");
    let text = |path: &Path| quoted(path.to_str().expect("TOML is UTF-8"));
    line(format!("node = {}\nid = \"{}\"\ndata = [{}]", quoted(&config.me().name), config.id, text(&config.data)));
    line(format!("catalog = {}", config.cluster.quorum().catalog()));
    line(format!("listen = \"{}\"\ncode = {}", config.listen, quoted(config.code.name())));
    line(format!("joined = {}", config.joined));
    for interface in &config.interfaces {
        line(format!("[[interfaces]]\nswitch = {}\naddress = \"{}\"", quoted(&interface.switch), interface.address));
    }
    for peer in config.members.iter().filter(|member| member.id != config.id) {
        let (name, id, http) = (quoted(&peer.name), peer.id, quoted(&peer.http));
        line(format!("[[peers]]\nname = {name}\nid = \"{id}\"\nhttp = {http}\n[peers.addresses]"));
        let addresses: &BTreeMap<String, SocketAddr> = &peer.addresses;
        for (switch, address) in addresses {
            line(format!("{} = \"{address}\"", quoted(switch)));
        }
    }
    if let Some(demo) = &config.demo {
        line(format!("[demo]\nsupervisor = {}\nseed = {}", quoted(&demo.supervisor), demo.seed));
        line(format!("false_downs = {:?}", demo.false_downs_per_second));
    }
    file
}
