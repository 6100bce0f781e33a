//! Which stores hold the columns of a version.

use crate::members::Members;
use crate::rendezvous::rendezvous;
use crate::version::NodeId;

/// The store that holds a column. A node is the failure domain of its stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The node.
    pub node: NodeId,
    /// Which of its stores; [`ANY_STORE`] where the node was away when the place was given.
    pub store: u32,
}

/// In place of a store's id: whichever the node takes.
pub const ANY_STORE: u32 = 0;

/// Where the columns of a version lie: a record beside the manifest, outside its hash. Moves are to replace it by one of a
/// higher generation; there are none yet, and one that is told changes nothing.
///
/// The format allows one node twice in it; [`Placement::choose`] does not do that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// 0 as the PUT chose it; 1 more with each move.
    pub generation: u32,
    /// By column; empty for a version without columns.
    pub seats: Vec<Seat>,
}

impl Placement {
    /// The seats of a version without columns.
    pub fn none() -> Self {
        Self::default()
    }

    /// Chooses the nodes of a new version's columns: the first n of the title's rendezvous order, in which nodes that
    /// stay keep their column, and each free column goes to the best of the newcomers.
    ///
    /// Shape: `columns` seats; `old` are those of the version before. `store_of` names the store that a node takes
    /// columns into.
    ///
    /// # Panics
    /// When the cluster has fewer members than the code has columns; whoever takes the title checks that.
    pub fn choose(
        title: &str,
        members: &Members,
        columns: usize,
        old: Option<&Self>,
        store_of: impl Fn(NodeId) -> Option<u32>,
    ) -> Self {
        let mut chosen = rendezvous(title, members.takers());
        assert!(chosen.len() >= columns, "{} members for {columns} columns", chosen.len());
        chosen.truncate(columns);
        let mut places: Vec<Option<NodeId>> = vec![None; columns];
        if let Some(old) = old {
            for (place, seat) in places.iter_mut().zip(&old.seats) {
                // A node that holds two columns of the old version keeps the first.
                if let Some(index) = chosen.iter().position(|node| *node == seat.node) {
                    *place = Some(chosen.remove(index));
                }
            }
        }
        let mut newcomers = chosen.into_iter();
        let seats = places
            .into_iter()
            .filter_map(|place| place.or_else(|| newcomers.next()))
            .map(|node| Seat { node, store: store_of(node).unwrap_or(ANY_STORE) })
            .collect();
        Self { generation: 0, seats }
    }

    /// The nodes, by column.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.seats.iter().map(|seat| seat.node)
    }

    /// Which column `node` holds, if any; the first of several.
    pub fn column_of(&self, node: NodeId) -> Option<u16> {
        let index = self.seats.iter().position(|seat| seat.node == node)?;
        u16::try_from(index).ok()
    }

    /// Whether `node` is to hold this column.
    pub fn seats(&self, node: NodeId, column: u16) -> bool {
        self.seats.get(usize::from(column)).is_some_and(|seat| seat.node == node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ids: impl IntoIterator<Item = u32>) -> Members {
        Members::new(0, ids.into_iter().map(NodeId).collect(), None).unwrap()
    }

    fn choose(title: &str, members: &Members, old: Option<&Placement>) -> Placement {
        Placement::choose(title, members, 4, old, |node| Some(node.0 + 1))
    }

    /// Removing a node moves its own column and no other: column for column, not as a set.
    #[test]
    fn columns_stay_where_they_are() {
        let (six, five) = (members(0..6), members(0..5));
        let mut moved = 0;
        for index in 0..200 {
            let title = format!("title {index}");
            let before = choose(&title, &six, None);
            let after = choose(&title, &five, Some(&before));
            for (old, new) in before.seats.iter().zip(&after.seats) {
                assert!(old == new || old.node == NodeId(5), "{title}: {old:?} moved to {new:?}");
                moved += usize::from(old != new);
            }
            // Of those of the rank order, ranks would have shifted.
            assert_eq!(after.seats.len(), 4);
            assert!(after.nodes().all(|node| five.nodes().contains(&node)));
            let once: std::collections::BTreeSet<_> = after.nodes().collect();
            assert_eq!(once.len(), 4, "{title}: a node twice");
        }
        // Four of six nodes hold a title.
        assert!((100..170).contains(&moved), "{moved} of 800 columns");
    }

    #[test]
    fn a_node_that_is_twice_in_the_old_placement_keeps_the_first() {
        let five = members(0..5);
        let mut old = choose("film", &five, None);
        let first = old.seats[0];
        old.seats[2] = first;
        let new = choose("film", &five, Some(&old));
        assert_eq!(new.seats[0], first);
        assert!(new.seats[1..].iter().all(|seat| seat.node != first.node));
        assert_eq!((new.column_of(first.node), new.seats(first.node, 2)), (Some(0), false));
    }

    #[test]
    fn titles_spread_evenly() {
        let members = members(0..6);
        let mut first = [0_u32; 6];
        for index in 0..6000 {
            first[choose(&format!("t{index}"), &members, None).seats[0].node.0 as usize] += 1;
        }
        assert!(first.iter().all(|count| (850..1150).contains(count)), "{first:?}");
    }
}
