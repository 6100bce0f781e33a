//! The nodes that a demo may grow by: addresses are kept for them from the start, all else is made when they come.

use super::addresses::Addresses;
use super::prepared::{DemoError, DemoOptions, Frame, PreparedDemo, keep_ids, kept_ids, key_pair, write_node};
use crate::topology::TopologyPlan;
use rain_cluster::NodeId;
use rain_node::mint_id;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// Digits of the public key that a secret begins with.
const KEY_DIGITS: usize = 64;

/// What a demo grows by.
#[derive(Debug)]
pub(super) struct Growth {
    folder: PathBuf,
    wiring: TopologyPlan,
    founders: usize,
    addresses: Addresses,
    options: DemoOptions,
    code: String,
}

/// A node that has come, as `POST /api/v1/nodes` of the supervisor tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grown {
    /// What it is called.
    pub node: String,
    /// Where players reach it.
    pub http: String,
}

impl Growth {
    pub(super) fn new(plan: &PreparedDemo, options: &DemoOptions) -> Self {
        Self {
            folder: plan.folder().to_owned(),
            wiring: plan.wiring.clone(),
            founders: plan.founders,
            addresses: plan.addresses,
            options: options.clone(),
            code: plan.code().to_owned(),
        }
    }

    /// What a node is called; `None` where the demo grows no more.
    pub(super) fn name(&self, node: usize) -> Option<&str> {
        self.wiring.nodes.get(node).map(String::as_str)
    }

    /// Makes what a node is made of; what an attempt before has left goes.
    pub(super) fn write(&self, node: usize, by: usize, secret: &str) -> Result<NodeId, DemoError> {
        let Self { folder, wiring, founders, addresses, options, code, .. } = self;
        let (name, id) = (&wiring.nodes[node], mint_id());
        let _ = fs::remove_dir_all(folder.join(name));
        let (key_file, _) = key_pair(folder, name)?;
        let frame = Frame { wiring, founders: *founders, addresses: *addresses, options, code };
        let (key, invitation) = secret.split_at_checked(KEY_DIGITS).unwrap_or((secret, ""));
        let mut text = frame.own(folder, node, id, &key_file);
        frame.push_join(&mut text, by, key, Some(invitation));
        write_node(folder, name, &text)?;
        Ok(id)
    }

    /// Where the folder stays, another demo on it finds the node.
    pub(super) fn keep(&self, name: &str, id: NodeId) -> Result<(), DemoError> {
        if self.options.data.is_none() {
            return Ok(());
        }
        let mut ids = kept_ids(&self.folder)?;
        ids.insert(name.to_owned(), id);
        keep_ids(&self.folder, &ids)
    }
}
