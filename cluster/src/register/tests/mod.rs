//! The machines of the register by themselves, with expected values by hand.

mod change;
mod configuration;
mod machines;
mod registrar;
mod wire;

use super::*;
use crate::version::{Life, NodeId};

/// In which every node begins.
const LIFE: u32 = 100;

pub(super) fn voter(node: u32) -> Voter {
    Voter { node: NodeId(node), life: Life(LIFE + node) }
}

pub(super) fn contact(name: &str, address: &str) -> Contact {
    let http = format!("http://{name}");
    Contact { name: name.to_owned(), http, addresses: vec![address.to_owned()], keys: vec![[7; 32]] }
}

pub(super) fn member(node: u32, weight: u8) -> Member {
    Member {
        voter: voter(node),
        contact: contact(&format!("node {node}"), &format!("s1=10.0.0.{node}:9000")),
        role: Role::Active,
        weight,
        witness: false,
        rack: String::new(),
        room: String::new(),
    }
}

pub(super) fn set(weights: &[u8]) -> MemberSet {
    let members: Vec<_> = weights.iter().zip(0..).map(|(weight, node)| member(node, *weight)).collect();
    let catalog = u8::try_from(members.len().min(7)).unwrap();
    let code = SetCode { name: "b-code:2".to_owned(), columns: 1 };
    MemberSet { members, tie: None, code, catalog }
}

/// The first configuration of nodes 0, 1, 2 and so on, with these votes.
pub(super) fn founded(weights: &[u8]) -> Configuration {
    let configuration =
        Configuration { epoch: 1, since: 0, old: None, new: set(weights), retired: Vec::new(), note: String::new() };
    configuration.check().unwrap();
    configuration
}
