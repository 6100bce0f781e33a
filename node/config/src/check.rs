//! What the values of a configuration must be.

use crate::error::{ConfigError, value};
use crate::file::{FileDemo, FileInterface, FilePeer};
use crate::member::{DemoMember, Member, VerifyReads};
use core::time::Duration;
use rain_cluster::members::MEMBERS_MAX;
use rain_cluster::register::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, NAME_BYTES_MAX};
use rain_cluster::{Members, MembersError, NodeId};
use std::net::{IpAddr, SocketAddr};

pub(crate) fn read_id(key: &str, text: Option<&str>) -> Result<NodeId, ConfigError> {
    let expected = "eight hexadecimal digits in lower case, such as 3f9a0c21";
    let text = text.ok_or_else(|| value(key, "none", expected))?;
    text.parse().map_err(|_| value(key, format!("`{text}`"), expected))
}

/// Sorts the members by id; names and ids are each member's own.
pub(crate) fn check_members(
    members: &mut [Member],
    node: &str,
    catalog: Option<usize>,
) -> Result<Members, ConfigError> {
    members.sort_by(|left, right| left.name.cmp(&right.name));
    if let Some(member) = members.iter().find(|member| !is_name(&member.name)) {
        let key = if member.name == node { "node" } else { "peers.name" };
        let expected = "a name of letters, digits and signs in ASCII, without spaces";
        return Err(value(key, format!("`{}`", member.name), expected));
    }
    // What the configuration of the cluster has room for.
    for Member { name, http, .. } in &*members {
        for (key, found, most) in [("name", name.len(), NAME_BYTES_MAX), ("http", http.len(), ADDRESS_BYTES_MAX)] {
            if found > most {
                let key = if name == node { key.to_owned() } else { format!("peers.{name}.{key}") };
                return Err(value(key, format!("{found} bytes"), format!("at most {most}")));
            }
        }
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

pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

/// Whether players' listener has the console: where it is not said, only where nobody else can reach it.
pub(crate) fn check_console(asked: Option<bool>, listen: SocketAddr) -> bool {
    asked.unwrap_or_else(|| is_loopback(listen.ip()))
}

pub(crate) fn check_heartbeat(milliseconds: u64) -> Result<Duration, ConfigError> {
    if !(1..=1000).contains(&milliseconds) {
        return Err(value("heartbeat_ms", milliseconds.to_string(), "a number of milliseconds from 1 to 1000"));
    }
    Ok(Duration::from_millis(milliseconds))
}

pub(crate) fn check_verify_reads(text: &str) -> Result<VerifyReads, ConfigError> {
    match text {
        "crc" => Ok(VerifyReads::Crc),
        "hash" => Ok(VerifyReads::Hash),
        other => Err(value("verify_reads", format!("`{other}`"), "\"crc\" or \"hash\"")),
    }
}

pub(crate) fn check_demo(demo: FileDemo) -> Result<DemoMember, ConfigError> {
    let FileDemo { supervisor, false_downs, seed } = demo;
    if !(0.0..=1000.0).contains(&false_downs) {
        return Err(value("demo.false_downs", false_downs.to_string(), "a number per second from 0 to 1000"));
    }
    Ok(DemoMember { supervisor, false_downs_per_second: false_downs, seed })
}

pub(crate) fn check_peer(peer: &FilePeer, interfaces: &[FileInterface], joined: bool) -> Result<(), ConfigError> {
    let key = format!("peers.{}.addresses", peer.name);
    for switch in peer.addresses.keys() {
        if !joined && !interfaces.iter().any(|interface| interface.switch == *switch) {
            return Err(value(key, format!("switch `{switch}`"), "a switch of one of this node's `interfaces`"));
        }
    }
    match peer.addresses.len() {
        0 => Err(value(key, "none", "an address on one switch at least")),
        found if found > ADDRESSES_MAX => Err(value(key, found.to_string(), format!("at most {ADDRESSES_MAX}"))),
        _ => Ok(()),
    }
}
