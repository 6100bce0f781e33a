//! The configuration of a cluster's nodes, as an operator would write it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rain_session::KeyPair;
use serde_json::Value;

/// A node of a cluster, as every node's configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id, eight hexadecimal digits.
    pub id: String,
    /// Its key pair, if the nodes have any.
    pub key: Option<NodeKey>,
    /// Where it listens for players.
    pub http: SocketAddr,
    /// Where it listens for its peers, by name of the switch.
    pub addresses: Vec<(String, SocketAddr)>,
}

/// The file of a node's key pair, and what others know the node by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKey {
    /// Where the pair is.
    pub file: PathBuf,
    /// The public key.
    pub public: String,
}

impl NodeKey {
    /// Makes a key pair in a file of its own; one that is there is replaced.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn make(file: PathBuf) -> io::Result<Self> {
        let key = KeyPair::fresh();
        let mut options = OpenOptions::new();
        let mut written = options.create(true).truncate(true).write(true).mode(0o600).open(&file)?;
        written.write_all(key.to_pem().as_bytes())?;
        Ok(Self { file, public: key.public().to_string() })
    }
}

/// The configuration file of the member at place `node`. `settings` are further lines, before the tables.
///
/// # Panics
/// When there is no such member.
pub fn configuration(members: &[Member], node: usize, data: &Path, code: &str, settings: &str) -> String {
    let Member { name, id, key, http, addresses } = &members[node];
    let data = quoted(&data.display().to_string());
    let key = key
        .as_ref()
        .map_or_else(String::new, |key| format!("key_file = {}\n", quoted(&key.file.display().to_string())));
    let mut text = format!(
        "node = \"{name}\"\nid = \"{id}\"\ndata = [{data}]\ncode = \"{code}\"\nlisten = \"{http}\"\n{key}{}",
        settings.trim_end()
    );
    // Writing to a string cannot fail, here and below.
    for (switch, address) in addresses {
        let _ = write!(text, "\n\n[[interfaces]]\nswitch = \"{switch}\"\naddress = \"{address}\"");
    }
    for (_, peer) in members.iter().enumerate().filter(|(place, _)| *place != node) {
        let Member { name, id, key, http, addresses } = peer;
        let _ = write!(text, "\n\n[[peers]]\nname = \"{name}\"\nid = \"{id}\"\nhttp = \"http://{http}\"");
        if let Some(NodeKey { public, .. }) = key {
            let _ = write!(text, "\nkey = \"{public}\"");
        }
        let _ = write!(text, "\n[peers.addresses]");
        for (switch, address) in addresses {
            let _ = write!(text, "\n{switch} = \"{address}\"");
        }
    }
    text + "\n"
}

/// A text as TOML has it between quotation marks: as JSON does.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_every_peer_on_every_switch() {
        let member = |number: u8| Member {
            name: char::from(b'@' + number).to_string(),
            id: format!("1ab0000{number}"),
            key: (number != 3).then(|| NodeKey { file: "/k".into(), public: format!("key {number}") }),
            http: ([10, 99, 0, number], 80).into(),
            addresses: (1..3).map(|switch| (format!("s{switch}"), ([10, switch, 0, number], 7400).into())).collect(),
        };
        let members = [1, 2, 3].map(member);
        let text = configuration(&members, 1, Path::new("/a/\"B\""), "parity:2+1", "heartbeat_ms = 5\n");
        let start = "node = \"B\"\nid = \"1ab00002\"\ndata = [\"/a/\\\"B\\\"\"]\ncode = \"parity:2+1\"\n\
                     listen = \"10.99.0.2:80\"\nkey_file = \"/k\"\nheartbeat_ms = 5\n\n[[interfaces]]\nswitch = \"s1\"\n\
                     address = \"10.1.0.2:7400\"\n";
        assert!(text.starts_with(start), "{text}");
        let end = "\n[[peers]]\nname = \"C\"\nid = \"1ab00003\"\nhttp = \"http://10.99.0.3:80\"\n\
                   [peers.addresses]\ns1 = \"10.1.0.3:7400\"\ns2 = \"10.2.0.3:7400\"\n";
        assert!(text.ends_with(end), "{text}");
        assert!(text.contains("http = \"http://10.99.0.1:80\"\nkey = \"key 1\"\n[peers.addresses]\n"), "{text}");
        assert_eq!((text.matches("[[peers]]").count(), text.matches("[[interfaces]]").count()), (2, 2));
    }
}
