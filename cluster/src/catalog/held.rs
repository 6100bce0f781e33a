//! Where columns are by now.

use crate::manifest::Record;
use crate::members::Members;
use crate::message::ColumnStatus;
use crate::placement::Placement;
use crate::version::NodeId;
use std::collections::BTreeMap;

/// Where the columns of a version are by now, as those say who answered.
pub fn where_held(record: &Record, members: &Members, told: &BTreeMap<NodeId, ColumnStatus>) -> Placement {
    let takers = Placement::takers(record.title(), members, record.placement.seats.len());
    let claimants: Vec<NodeId> = told.keys().copied().collect();
    record.placement.by_claims(&takers, &claimants, |node| told.get(&node).map(ColumnStatus::sound))
}
