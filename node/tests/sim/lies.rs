//! Answers that cannot be: of a peer with bad memory, or of a later release with a fault.

use rain_cluster::manifest::EtagKind;
use rain_cluster::{
    ColumnStatus, Columns, Content, Entry, Life, Manifest, NodeId, Placement, Record, Reply, Request, Seat, Version,
};

/// A version that no honest node names.
fn unfit(title: &str, kind: usize) -> Record {
    let columns = Columns {
        bytes: 100,
        etag_kind: EtagKind::Content,
        etag: [0; 16],
        code: if kind == 1 { "b-code:2000" } else { "b-code:4" }.to_owned(),
        columns: if kind == 2 { 3 } else { 4 },
        data_columns: 2,
        layout: 0,
        cell_bytes: if kind == 0 { 0 } else { 4096 },
        block_bytes: 4096,
        group_bytes: 4096,
        modified_ms: 0,
        roots: vec![[0; 32]; if kind == 2 { 3 } else { 4 }],
    };
    let version =
        Version { counter: if kind == 3 { u64::MAX } else { 1 << 40 }, node: NodeId(1), life: Life(1), random: 1 };
    let manifest = Manifest {
        title: title.to_owned(),
        version,
        epoch: 0,
        conditional: true,
        content: Content::Columns(columns),
        attributes: rain_cluster::Attributes::default(),
    };
    let seat = Seat { node: NodeId(1), store: 1 };
    let placement = Placement { generation: 0, seats: vec![seat; if kind == 2 { 3 } else { 4 }] };
    Record { manifest: manifest.into(), placement: placement.into() }
}

/// Adds to an answer what cannot be.
pub fn lie(reply: &mut Reply, request: &Request) {
    match (reply, request) {
        (Reply::State(state), Request::Lookup { title } | Request::Retire { title, .. } | Request::Close { title }) => {
            let (record, column) = (unfit(title, state.entries.len() % 4), ColumnStatus::Ok { column: 0 });
            state.entries.push(Entry { record, marked: true, column });
        }
        (Reply::Committed { marked, .. }, Request::Committed { .. }) => {
            let kind = marked.len() % 4;
            marked.push(unfit("title 0", kind));
        }
        _ => {}
    }
}
