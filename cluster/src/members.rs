//! The set of members of a cluster, and its quorums.

use crate::rendezvous::rendezvous;
use crate::version::{Life, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Catalog nodes of a title, unless the configuration says otherwise; fewer where there are fewer members.
pub const CATALOG_NODES_DEFAULT: usize = 7;
/// Most members of a cluster.
pub const MEMBERS_MAX: usize = 64;

/// How many catalog nodes must have marked a version, and how many must be asked.
///
/// They are a property of the configuration and not of a title's code: whoever asks R of the C catalog nodes meets one
/// that marked the newest acknowledged version, whatever the codes of its versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    catalog: usize,
}

impl Quorum {
    /// The quorums of `catalog` nodes: C.
    ///
    /// # Panics
    /// When there are none.
    pub fn new(catalog: usize) -> Self {
        assert!(catalog > 0, "no catalog nodes");
        Self { catalog }
    }

    /// Catalog nodes: C.
    pub fn catalog(self) -> usize {
        self.catalog
    }

    /// W = floor(C / 2) + 1: so many marks are durable before a PUT is acknowledged. More than half, so that of two
    /// conditional PUTs one at most can win.
    pub fn write(self) -> usize {
        self.catalog / 2 + 1
    }

    /// R = C - W + 1: any R catalog nodes include one that marked an acknowledged version.
    pub fn read(self) -> usize {
        self.catalog - self.write() + 1
    }
}

/// Not a set of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Two members have one id.
    #[error("the id {0} twice, expected an id for each member")]
    Twice(NodeId),
    /// None, or too many.
    #[error("{found} members, expected 1 to {MEMBERS_MAX}")]
    Count {
        /// Members found.
        found: usize,
    },
    /// Another number of catalog nodes than there can be.
    #[error("{found} catalog nodes, expected 1 to {expected}, the number of members")]
    Catalog {
        /// Catalog nodes asked for.
        found: usize,
        /// Members.
        expected: usize,
    },
}

/// Members that hold the catalogs and take new columns together, and the quorums among them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Side {
    nodes: Vec<NodeId>,
    quorum: Quorum,
}

impl Side {
    fn new(mut nodes: Vec<NodeId>, catalog: Option<usize>) -> Result<Self, MembersError> {
        nodes.sort_unstable();
        if let Some(twice) = nodes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(MembersError::Twice(twice[0]));
        }
        if nodes.is_empty() || nodes.len() > MEMBERS_MAX {
            return Err(MembersError::Count { found: nodes.len() });
        }
        let catalog = catalog.unwrap_or(nodes.len().min(CATALOG_NODES_DEFAULT));
        if !(1..=nodes.len()).contains(&catalog) {
            return Err(MembersError::Catalog { found: catalog, expected: nodes.len() });
        }
        Ok(Self { nodes, quorum: Quorum::new(catalog) })
    }

    fn catalog_of(&self, title: &str) -> Vec<NodeId> {
        let mut order = rendezvous(title, &self.nodes);
        order.truncate(self.quorum.catalog());
        order
    }
}

/// The members of a cluster: one value with an epoch, on which it depends who holds the catalog of a title.
///
/// While it changes two sets are in force, and quorums are those of both. A member of neither (one that is added and has not
/// learnt yet, one that is drained) is asked for what it holds, and chosen for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    epoch: u64,
    all: Vec<NodeId>,
    old: Option<Side>,
    new: Side,
    /// Of the new set who is not in the old one, and in which life it was taken in.
    newcomers: BTreeMap<NodeId, Life>,
}

impl Members {
    /// The set `nodes`, in any order, with `catalog` catalog nodes for each title (`None`: the usual number).
    ///
    /// # Errors
    /// [`MembersError`].
    pub fn new(epoch: u64, nodes: Vec<NodeId>, catalog: Option<usize>) -> Result<Self, MembersError> {
        let new = Side::new(nodes, catalog)?;
        Ok(Self { epoch, all: new.nodes.clone(), old: None, new, newcomers: BTreeMap::new() })
    }

    /// Two sets, of which the newer one has these lives: who belongs to the newer alone is a newcomer. Of sets that are alike
    /// one is as good as both. `all` are the members of either, and of neither.
    ///
    /// # Errors
    /// [`MembersError`].
    pub fn in_force(
        epoch: u64,
        all: BTreeSet<NodeId>,
        old: Option<(Vec<NodeId>, usize)>,
        new: (BTreeMap<NodeId, Life>, usize),
    ) -> Result<Self, MembersError> {
        let (lives, catalog) = new;
        let new = Side::new(lives.keys().copied().collect(), Some(catalog))?;
        let old = old.map(|(nodes, catalog)| Side::new(nodes, Some(catalog))).transpose()?;
        let old = old.filter(|old| *old != new);
        let is_new = |node: &NodeId| old.as_ref().is_some_and(|old| !old.nodes.contains(node));
        let newcomers = lives.into_iter().filter(|(node, _)| is_new(node)).collect();
        Ok(Self { epoch, all: all.into_iter().collect(), old, new, newcomers })
    }

    /// Grows with each change of the set.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All members, of any set and of none, by id.
    pub fn nodes(&self) -> &[NodeId] {
        &self.all
    }

    /// All members but `me`.
    pub fn others(&self, me: NodeId) -> impl Iterator<Item = NodeId> {
        self.all.iter().copied().filter(move |node| *node != me)
    }

    /// Those that take columns of new versions, by id.
    pub fn takers(&self) -> &[NodeId] {
        &self.new.nodes
    }

    /// Whether two sets are in force.
    pub fn is_joint(&self) -> bool {
        self.old.is_some()
    }

    /// The quorums among the catalog nodes of a title, of the newer set.
    pub fn quorum(&self) -> Quorum {
        self.new.quorum
    }

    /// Whether a node is in the newer of two sets alone: it has to learn what the older one decided.
    pub fn is_newcomer(&self, node: NodeId) -> bool {
        self.newcomers.contains_key(&node)
    }

    fn sides(&self) -> impl Iterator<Item = &Side> {
        self.old.iter().chain([&self.new])
    }

    /// The catalog nodes of a title: of each set the first C of its rendezvous order. They hold its marks and tombstones.
    pub fn catalog_of(&self, title: &str) -> Catalog {
        let sides: Vec<_> = self.sides().map(|side| (side.catalog_of(title), side.quorum)).collect();
        let mut nodes = Vec::new();
        for node in sides.iter().rev().flat_map(|(nodes, _)| nodes) {
            if !nodes.contains(node) {
                nodes.push(*node);
            }
        }
        Catalog { nodes, sides, newcomers: self.newcomers.clone() }
    }

    /// The set of which all that was ever acknowledged has a quorum: the old one while it is in force. Who learns, learns from
    /// it.
    fn proven(&self) -> &Side {
        self.old.as_ref().unwrap_or(&self.new)
    }

    /// Who can tell a blank node what is committed.
    pub fn teachers(&self) -> &[NodeId] {
        &self.proven().nodes
    }

    /// So many of the teachers must tell a blank node what is committed.
    ///
    /// An acknowledged version is marked on W of its C catalog nodes. So each one is seen when all teachers but W - 1, a blank
    /// one among the unseen, have told theirs.
    pub fn lessons(&self) -> usize {
        let side = self.proven();
        (side.nodes.len() + 1).saturating_sub(side.quorum.write()).max(1)
    }

    /// So many nodes, this one among them, remember what a store was told to be, at the least.
    pub fn witnesses(&self) -> usize {
        self.proven().quorum.read()
    }

    /// Whether the old set may go, as far as it lies with those who may not know that there is a new one: whoever asks R of its
    /// catalog nodes must meet one that does.
    pub fn is_known_enough(&self, knows: impl Fn(NodeId) -> bool) -> bool {
        self.old.as_ref().is_none_or(|old| {
            let ignorant = old.nodes.iter().filter(|node| !knows(**node)).count();
            ignorant < old.quorum.read()
        })
    }

    /// Who must have learnt before the old set may go: all of the newer set. But where one comes to others who were catalog nodes
    /// of every title and stay so, it alone: W of the others and itself meet whichever R there are then.
    pub fn learners(&self) -> Vec<NodeId> {
        let Some(old) = &self.old else { return Vec::new() };
        let is_whole = |side: &Side| side.quorum.catalog() == side.nodes.len();
        let is_one_more = self.newcomers.len() == 1 && self.new.nodes.len() == old.nodes.len() + 1;
        let learns = |node: &NodeId| !(is_one_more && is_whole(old) && is_whole(&self.new)) || self.is_newcomer(*node);
        self.new.nodes.iter().copied().filter(learns).collect()
    }
}

/// The catalog nodes of one title, in each set in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    nodes: Vec<NodeId>,
    sides: Vec<(Vec<NodeId>, Quorum)>,
    newcomers: BTreeMap<NodeId, Life>,
}

/// How many catalog nodes do something, of the set that is furthest from having enough of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many do.
    pub found: usize,
    /// How many must.
    pub expected: usize,
}

impl Count {
    /// Whether it is enough.
    pub fn is_enough(self) -> bool {
        self.found >= self.expected
    }
}

impl Catalog {
    /// All of them: those of the newer set first, in the title's rendezvous order.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// Whether `node` is one.
    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    fn count(&self, expected: impl Fn(Quorum) -> usize, counts: impl Fn(NodeId) -> bool) -> Count {
        let of_side = |(nodes, quorum): &(Vec<NodeId>, Quorum)| {
            let found = nodes.iter().filter(|node| counts(**node)).count();
            Count { found, expected: expected(*quorum) }
        };
        let counts = self.sides.iter().map(of_side);
        let worst = counts.max_by_key(|count| count.expected.saturating_sub(count.found));
        worst.expect("a set is in force")
    }

    /// How many of those that there are have something of which W must.
    pub fn written(&self, has: impl Fn(NodeId) -> bool) -> Count {
        self.count(Quorum::write, has)
    }

    /// How many answers count towards R, of nodes that answered: in which life, and whether it is blank.
    ///
    /// A blank one does not count: it may have forgotten. But one that is new in the newer set has nothing to forget, and is
    /// asked for one thing only, as long as the older set is in force too: whether that is so still.
    pub fn read(&self, answer: impl Fn(NodeId) -> Option<(Life, bool)>) -> Count {
        self.count(Quorum::read, |node| {
            answer(node).is_some_and(|(life, blank)| !blank || self.newcomers.get(&node) == Some(&life))
        })
    }

    /// So many nodes may go, whichever they are, and R of each set still meet a mark: the least of marks - 1 and C - R.
    pub fn tolerates(&self, marked: impl Fn(NodeId) -> bool) -> usize {
        let of_side = |(nodes, quorum): &(Vec<NodeId>, Quorum)| {
            let marks = nodes.iter().filter(|node| marked(**node)).count();
            marks.saturating_sub(1).min(quorum.catalog() - quorum.read())
        };
        self.sides.iter().map(of_side).min().unwrap_or(0)
    }

    /// So many of them may be blank without hiding what was acknowledged; of how many `is_blank` there are in each set.
    pub fn hides_nothing(&self, is_blank: impl Fn(NodeId) -> bool) -> bool {
        // Of the older set, while it is in force, all that is acknowledged has W marks.
        self.sides
            .first()
            .is_some_and(|(nodes, quorum)| nodes.iter().filter(|node| is_blank(**node)).count() < quorum.write())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (C, W, R), by hand.
    #[test]
    fn quorums_of_the_design() {
        for (catalog, write, read) in [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 3, 2), (5, 3, 3), (6, 4, 3), (7, 4, 4)] {
            let quorum = Quorum::new(catalog);
            assert_eq!((quorum.write(), quorum.read()), (write, read), "{catalog} catalog nodes");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let ids = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        assert_eq!(Members::new(0, ids(&[3, 1, 3]), None), Err(MembersError::Twice(NodeId(3))));
        assert_eq!(Members::new(0, ids(&[]), None), Err(MembersError::Count { found: 0 }));
        let many: Vec<_> = (0..65).collect();
        assert_eq!(Members::new(0, ids(&many), None), Err(MembersError::Count { found: 65 }));
        assert_eq!(Members::new(0, ids(&[1, 2]), Some(3)), Err(MembersError::Catalog { found: 3, expected: 2 }));
        let members = Members::new(5, ids(&many[..9]), None).unwrap();
        assert_eq!((members.quorum().catalog(), members.epoch(), members.lessons()), (7, 5, 6));
        assert_eq!(Members::new(0, ids(&[2, 1]), None).unwrap().nodes(), ids(&[1, 2]));
    }

    fn ids(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn joint(old: &[u32], new: &[u32]) -> Members {
        let lives = new.iter().map(|node| (NodeId(*node), Life(*node + 100))).collect();
        let all = old.iter().chain(new).chain(&[99]).copied().map(NodeId).collect();
        let catalog = |nodes: &[u32]| nodes.len().min(CATALOG_NODES_DEFAULT);
        Members::in_force(5, all, Some((ids(old), catalog(old))), (lives, catalog(new))).unwrap()
    }

    /// Of two sets that are alike one is in force; a member of neither is asked, and chosen for nothing.
    #[test]
    fn two_sets_that_are_alike_are_one() {
        let same = joint(&[1, 2, 3], &[1, 2, 3]);
        assert!(!same.is_joint() && same.learners().is_empty() && !same.is_newcomer(NodeId(1)));
        assert_eq!((same.nodes(), same.takers()), (&*ids(&[1, 2, 3, 99]), &*ids(&[1, 2, 3])));
        assert!(!same.catalog_of("film").contains(NodeId(99)));
        assert_eq!(same.others(NodeId(2)).collect::<Vec<_>>(), ids(&[1, 3, 99]));
    }

    /// W of 4 is 3 and R is 2; W of 5 is 3 and R is 3: by hand, in both sets.
    #[test]
    fn quorums_are_those_of_both_sets() {
        let members = joint(&[1, 2, 3, 4], &[1, 2, 3, 4, 5]);
        let catalog = members.catalog_of("film");
        let has = |nodes: &'static [u32]| move |node: NodeId| nodes.contains(&node.0);
        assert!(catalog.written(has(&[1, 2, 3])).is_enough());
        assert_eq!(catalog.written(has(&[1, 2, 5])), Count { found: 2, expected: 3 });
        let answers = |blank: &'static [u32], all: &'static [u32]| {
            move |node: NodeId| all.contains(&node.0).then_some((Life(node.0 + 100), blank.contains(&node.0)))
        };
        // The newcomer counts although it is blank; a disk that was lost meanwhile does not.
        assert!(catalog.read(answers(&[5], &[1, 2, 5])).is_enough());
        assert!(!catalog.read(answers(&[2, 5], &[1, 2, 5])).is_enough());
        let reborn = |node: NodeId| [1, 2, 5].contains(&node.0).then_some((Life(7), node.0 == 5));
        assert_eq!(catalog.read(reborn), Count { found: 2, expected: 3 });
        // 4 - 2 of the one, 5 - 3 of the other; marks - 1.
        assert_eq!(
            [&[1, 2, 3, 4, 5][..], &[1, 2, 5], &[1, 2, 3, 5]]
                .map(|marked| catalog.tolerates(|node| marked.contains(&node.0))),
            [2, 1, 2]
        );
        assert!(catalog.hides_nothing(has(&[1, 5])) && !catalog.hides_nothing(has(&[1, 2, 3])));
        assert_eq!((members.teachers(), members.lessons(), members.witnesses()), (&*ids(&[1, 2, 3, 4]), 2, 2));
    }

    /// R of the four must meet one who knows: at most one of them may not.
    #[test]
    fn the_old_set_goes_when_those_who_do_not_know_are_too_few_to_read() {
        let members = joint(&[1, 2, 3, 4], &[1, 2, 3, 4, 5]);
        assert!(members.is_known_enough(|node| node.0 != 2));
        assert!(!members.is_known_enough(|node| [3, 4, 5].contains(&node.0)));
        assert!(Members::new(1, ids(&[1, 2]), None).unwrap().is_known_enough(|_| false));
    }

    #[test]
    fn who_comes_to_new_catalogs_learns() {
        assert_eq!(joint(&[1, 2, 3, 4], &[1, 2, 3, 4, 5]).learners(), ids(&[5]));
        // Marks of 3 of 5 may lie on 2 of the 4 that are left.
        assert_eq!(joint(&[1, 2, 3, 4, 5], &[1, 2, 3, 4]).learners(), ids(&[1, 2, 3, 4]));
        assert_eq!(joint(&[1, 2], &[1, 2, 3, 4]).learners(), ids(&[1, 2, 3, 4]));
        // Of eight each title has seven.
        assert_eq!(joint(&[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 4, 5, 6, 7, 8]).learners().len(), 8);
        assert!(Members::new(1, ids(&[1, 2]), None).unwrap().learners().is_empty());
    }
}
