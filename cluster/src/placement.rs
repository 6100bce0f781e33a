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

/// Where the PUT laid the columns of a version: a record beside the manifest, outside its hash. When the members change columns
/// move, and the record stays as it is: where a column is by now, whoever holds it says ([`Placement::by_claims`]). So there is
/// nothing to agree on but what every version says by itself.
///
/// The format allows one node twice in it; [`Placement::choose`] does not do that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// 0 as the PUT chose it; others are for later releases.
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

    /// Who is to hold columns of a title of so many, as the members are: nobody, where there are too few of them.
    pub fn takers(title: &str, members: &Members, columns: usize) -> Vec<NodeId> {
        let mut takers = rendezvous(title, members.takers());
        if takers.len() < columns {
            return Vec::new();
        }
        takers.truncate(columns);
        takers
    }

    /// Where the columns are by now: `claim` says of a node that answered which one it holds, if any; `None` of one that did not.
    ///
    /// Of those who hold a column it is one of `takers`, if any of them does, before all others the one that the PUT chose. Where
    /// nobody says that he holds it, it may be with whom the PUT chose.
    #[must_use]
    pub fn by_claims(
        &self,
        takers: &[NodeId],
        claimants: &[NodeId],
        claim: impl Fn(NodeId) -> Option<Option<u16>>,
    ) -> Self {
        let now = |(column, seat): (u16, &Seat)| {
            let holds = |node: &NodeId| claim(*node) == Some(Some(column));
            let first = || core::iter::once(&seat.node).chain(claimants).filter(|node| holds(node));
            let taker = first().find(|node| takers.contains(node));
            // One that did not answer may hold it, and answer the next time.
            let silent = || Some(&seat.node).filter(|node| claim(**node).is_none());
            let node = taker.or_else(|| first().next()).or_else(silent).copied().unwrap_or(seat.node);
            if node == seat.node { *seat } else { Seat { node, store: ANY_STORE } }
        };
        Self { generation: self.generation, seats: (0..).zip(&self.seats).map(now).collect() }
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

    /// By hand: of four columns the second one has gone from node 1, which is no taker any more, to node 4.
    #[test]
    fn columns_are_where_somebody_says_that_he_holds_them() {
        let seat = |node: u32| Seat { node: NodeId(node), store: 9 };
        let put = Placement { generation: 0, seats: [0, 1, 2, 3].map(seat).to_vec() };
        let ids = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let (takers, all) = (ids(&[0, 2, 3, 4]), ids(&[0, 1, 2, 3, 4]));
        let now = |claims: &[(u32, Option<u16>)]| {
            let claim = |node: NodeId| claims.iter().find(|(of, _)| *of == node.0).map(|(_, claim)| *claim);
            put.by_claims(&takers, &all, claim).nodes().map(|node| node.0).collect::<Vec<_>>()
        };
        assert_eq!(now(&[]), [0, 1, 2, 3], "nobody has answered");
        assert_eq!(now(&[(4, Some(1))]), [0, 4, 2, 3]);
        assert_eq!(now(&[(1, Some(1)), (4, Some(1))]), [0, 4, 2, 3], "both hold it: who is to");
        assert_eq!(now(&[(1, Some(1)), (4, None)]), [0, 1, 2, 3]);
        assert_eq!(now(&[(2, Some(2)), (4, Some(2))]), [0, 1, 2, 3], "both are takers: whom the PUT chose");
        assert_eq!(now(&[(2, None), (1, Some(2))]), [0, 1, 1, 3], "better than nobody");
        assert_eq!(now(&[(2, None)]), [0, 1, 2, 3]);
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
