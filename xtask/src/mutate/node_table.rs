//! The bugs of cluster, desk, store and fetching: where each is, and what a user would see of it.

use super::table::{Bug, Mutant};

/// A bug, and what goes wrong for a user.
const fn bug(harm: &'static str, mutant: Mutant) -> Bug {
    Bug { mutant, harm, equivalent: None }
}

/// A change that changes nothing, and why.
const fn harmless(proof: &'static str, mutant: Mutant) -> Bug {
    Bug { mutant, harm: "nothing", equivalent: Some(proof) }
}

const CLUSTER: (&str, &str) = ("rain_cluster", "");
const REGISTER: (&str, &str) = ("rain_cluster", "register::tests");
const DESK: (&str, &str) = ("rain_desk", "");
const FETCH: (&str, &str) = ("rain_fetch", "");
const STORE: (&str, &str) = ("rain_node", "store::tests");
const LIES: (&str, &str) = ("rain_node", "store::lies");
const SHARES: (&str, &str) = ("rain_node", "store::shelf::shares");
const LEDGER: (&str, &str) = ("rain_node", "store::ledger");

/// Every bug.
pub(super) const ALL: &[Bug] = &[
    bug(
        "with an even number of catalog nodes two conditional PUTs both win",
        Mutant {
            file: "cluster/src/members.rs",
            text: "«self.catalog / 2 + 1»",
            instead: "self.catalog.div_ceil(2)",
            first: CLUSTER,
        },
    ),
    bug(
        "a node with a new disk asks one node too few, and denies an acknowledged title",
        Mutant {
            file: "cluster/src/members.rs",
            text: "(«side.nodes.len() + 1»).saturating_sub(side.quorum.write())",
            instead: "side.nodes.len()",
            first: CLUSTER,
        },
    ),
    bug(
        "after an overwrite one node holds two columns: its loss counts twice",
        Mutant {
            file: "cluster/src/placement.rs",
            text: "*place = Some(«chosen.remove(index)»);",
            instead: "chosen[index]",
            first: CLUSTER,
        },
    ),
    bug(
        "a title that is deleted and written anew stays deleted: its version is below what was purged",
        Mutant {
            file: "cluster/src/message.rs",
            text: "«versions.map(|version| version.counter).max().unwrap_or(0).max(self.floor)»",
            instead: "versions.map(|version| version.counter).max().unwrap_or(0)",
            first: CLUSTER,
        },
    ),
    bug(
        "a PUT beside one that is pending takes its counter, and may lose to it though it came later",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "counter: «self.answers.highest_counter().saturating_add(1)»,",
            instead: "self.answers.newest_marked().map_or(0, |record| record.version().counter) + 1",
            first: CLUSTER,
        },
    ),
    bug(
        "of two uploads that must not replace anything, both succeed",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "begin.current.as_ref().map_or(«Base::Nothing», ",
            instead: "Base::Any",
            first: CLUSTER,
        },
    ),
    bug(
        "the promise of a node whose disk was replaced meanwhile is counted: a PUT is acknowledged with a column too few",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "is_some_and(|promise| «promise.life != life»)",
            instead: "false",
            first: CLUSTER,
        },
    ),
    bug(
        "a version is decided with k columns: the next lost disk loses it",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "let enough = catalog.is_enough() && «columns >= self.needed_columns()»;",
            instead: "columns + 1 >= self.needed_columns()",
            first: CLUSTER,
        },
    ),
    bug(
        "a PUT is acknowledged with W - 1 marks: a reader may still get the old version",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "if !*told && «catalog.written(is_marked).is_enough()» && columns >= needed {",
            instead: "catalog.written(is_marked).found + 1 >= catalog.written(is_marked).expected",
            first: CLUSTER,
        },
    ),
    bug(
        "a node that prepared unheard keeps the aborted version for long, and conditional PUTs are refused",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "«self.round.tell(self.answers.nodes(), &drop)»;",
            instead: "self.round.tell(self.prepared.keys().copied(), &drop)",
            first: CLUSTER,
        },
    ),
    bug(
        "a version that was acknowledged is dropped when its coordinator begins a new life",
        Mutant {
            file: "cluster/src/commit/put.rs",
            text: "if «matches!(self.phase, Phase::Asking | Phase::Uploading | Phase::Preparing { .. } | Phase::Deciding { .. })» {",
            instead: "!matches!(self.phase, Phase::Done)",
            first: CLUSTER,
        },
    ),
    bug(
        "a node that holds nothing of a version counts as one that marked it",
        Mutant {
            file: "cluster/src/commit/marking.rs",
            text: "&& «self.round.answered(from.node) && reply == Reply::Marked» {",
            instead: "self.round.answered(from.node)",
            first: CLUSTER,
        },
    ),
    bug(
        "a node whose disk was replaced after its mark is not marked again: the mark is missing for ever",
        Mutant {
            file: "cluster/src/commit/marking.rs",
            text: "«self.round.ask_one(node, self.request.clone())»;",
            instead: "()",
            first: CLUSTER,
        },
    ),
    bug(
        "an acknowledged version is dropped because its coordinator lost its disk",
        Mutant {
            file: "cluster/src/commit/pending.rs",
            text: "Outcome::Unknown => «self.ask_catalog(now, Phase::Retiring)»,",
            instead: "self.finish(PendingFate::Drop)",
            first: CLUSTER,
        },
    ),
    bug(
        "a version is dropped though the one node that has its mark did not answer",
        Mutant {
            file: "cluster/src/commit/pending.rs",
            text: "(self.round.is_over() || «self.phase == Phase::Retiring»)",
            instead: "false",
            first: CLUSTER,
        },
    ),
    bug(
        "a version that is pending elsewhere is taken for committed: an aborted PUT appears",
        Mutant {
            file: "cluster/src/commit/pending.rs",
            text: "state.entries.iter().filter(same).any(|entry| «entry.marked»)",
            instead: "true",
            first: CLUSTER,
        },
    ),
    bug(
        "a tombstone is purged while a node cannot tell what it holds: the deleted title returns",
        Mutant { file: "cluster/src/commit/purge.rs", text: "«!state.blank»\n", instead: "true", first: CLUSTER },
    ),
    bug(
        "a title is closed on its catalog nodes alone: what a column holder takes late brings it back",
        Mutant {
            file: "cluster/src/commit/purge.rs",
            text: "let nodes = «members.nodes().to_vec()»;",
            instead: "members.catalog_of(title)",
            first: CLUSTER,
        },
    ),
    bug(
        "the silence of a blank node counts: a reader is told that an acknowledged title does not exist",
        Mutant {
            file: "cluster/src/members.rs",
            text: "answer(node).is_some_and(|(life, blank)| «!blank || self.newcomers.get(&node) == Some(&life)»)",
            instead: "self.newcomers.get(&node).is_none_or(|of| *of == life || !blank)",
            first: CLUSTER,
        },
    ),
    bug(
        "a reader that was held up spreads what was purged meanwhile: the deleted title returns",
        Mutant {
            file: "cluster/src/catalog/resolve.rs",
            text: "(Phase::Asking, Reply::State(_)) if «self.round.awaits(from.node) && now > self.started + ANSWERS»",
            instead: "false",
            first: CLUSTER,
        },
    ),
    bug(
        "blank nodes teach each other: after two replaced disks an acknowledged title is gone",
        Mutant {
            file: "cluster/src/catalog/learn.rs",
            text: "Some(if «lesson.blank» { End::Blank } else { End::Learnt })",
            instead: "false",
            first: CLUSTER,
        },
    ),
    bug(
        "a node with a new disk does not learn what it may have promised, and a committed version is dropped",
        Mutant {
            file: "cluster/src/catalog/learn.rs",
            text: "(«!pending.is_empty()»).then_some(Learnt::Pending(pending))",
            instead: "false",
            first: CLUSTER,
        },
    ),
    bug(
        "a disk that was rolled back by one change is not found out: a promise is forgotten",
        Mutant {
            file: "cluster/src/catalog/recall.rs",
            text: "said.life != self.life || «said.serial > self.serial»;",
            instead: "said.serial > self.serial + 1",
            first: CLUSTER,
        },
    ),
    bug(
        "a reader takes what a member that lies says of another's version, which is not decided yet",
        Mutant {
            file: "cluster/src/catalog/resolve.rs",
            text: "coordinator.filter(|(life, state)| «*life == version.life» && !state.blank)",
            instead: "false",
            first: CLUSTER,
        },
    ),
    bug(
        "a member that says the same often outvotes all others",
        Mutant {
            file: "cluster/src/catalog/resolve.rs",
            text: "«told.iter().filter(|(_, other)| *other == record).map(|(node, _)| node).collect::<BTreeSet<_>>().len()»",
            instead: "told.iter().filter(|(_, other)| *other == record).count()",
            first: CLUSTER,
        },
    ),
    bug(
        "a coordinator that committed without a column of its own does not know of it: readers take it for given up",
        Mutant {
            file: "node/src/store/orders.rs",
            text: "                None => «record»,",
            instead: "return None",
            first: STORE,
        },
    ),
    bug(
        "a coordinator takes from others what it gave up",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "None if «self.is_given_up(&index, key)» => Marking::Refused,",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a store believes itself before R nodes agree: nobody has to remember what it forgot",
        Mutant {
            file: "cluster/src/catalog/recall.rs",
            text: "needed: «members.witnesses() - 1»,",
            instead: "members.witnesses().saturating_sub(2)",
            first: CLUSTER,
        },
    ),
    bug(
        "after a restart a conditional PUT counts as an unconditional one: another slips between it and its base",
        Mutant {
            file: "cluster/src/manifest/mod.rs",
            text: "bytes.push(«if self.conditional { CONDITIONAL } else { 0 }»);",
            instead: "0",
            first: CLUSTER,
        },
    ),
    bug(
        "a manifest with an attribute twice is taken, and read as one of another hash",
        Mutant {
            file: "cluster/src/manifest/mod.rs",
            text: "last.is_some_and(|last| «last >= key»)",
            instead: "last > key",
            first: CLUSTER,
        },
    ),
    bug(
        "nobody hears of a peer's new disk: a PUT is acknowledged on its old promise",
        Mutant {
            file: "node/desk/src/desk.rs",
            text: "before.is_none_or(|before| «before == life»)",
            instead: "true",
            first: DESK,
        },
    ),
    bug(
        "after a new life every PUT through this node is refused, or its outcome is answered for by nobody",
        Mutant {
            file: "node/desk/src/desk.rs",
            text: "(self.me.life, self.me.serial) = («life», 0);",
            instead: "self.me.life",
            first: DESK,
        },
    ),
    bug(
        "an old copy of a disk that runs on never finds out that its life is over, and answers nobody",
        Mutant {
            file: "node/desk/src/desk.rs",
            text: "if «matches!(told, Told::Answer(_, _, Reply::Retired))» && ",
            instead: "false",
            first: DESK,
        },
    ),
    bug(
        "a peer's manifest of another shape reaches the machines: the node panics or reads wrong bytes",
        Mutant {
            file: "node/desk/src/desk.rs",
            text: "match «self.codes.vet_reply(&reply)» {",
            instead: "Ok::<(), crate::vet::Unfit>(())",
            first: DESK,
        },
    ),
    bug(
        "a version that says it needs fewer columns than its code is kept with too few",
        Mutant {
            file: "node/desk/src/vet.rs",
            text: "usize::from(columns.data_columns), «code.data_columns()»)",
            instead: "usize::from(columns.data_columns)",
            first: DESK,
        },
    ),
    bug(
        "a pending version whose mark was lost is never asked about, and blocks conditional PUTs",
        Mutant {
            file: "node/desk/src/house.rs",
            text: "chore(|| «Some(StoreOrder::Overdue)», PENDING)",
            instead: "Some(StoreOrder::Lacking)",
            first: DESK,
        },
    ),
    bug(
        "a blank store whose disk refused a mark speaks all the same: an acknowledged version is denied",
        Mutant {
            file: "node/desk/src/learn.rs",
            text: "Told::Stored(StoreTold::Failed(_)) => «self.begin_again(with.now + AGAIN)»,",
            instead: "self.orders.under_way = false",
            first: DESK,
        },
    ),
    bug(
        "a column is restored from columns that are damaged or missing, and never gets whole",
        Mutant {
            file: "node/desk/src/restore.rs",
            text: "seats.filter(|(column, node)| «!has(*node, *column)»)",
            instead: "*column == self.column",
            first: DESK,
        },
    ),
    bug(
        "with exactly k columns left none is restored: the title stays one loss from its end",
        Mutant {
            file: "node/desk/src/restore.rs",
            text: "if «left < usize::from(columns.data_columns)» {",
            instead: "left <= usize::from(columns.data_columns)",
            first: DESK,
        },
    ),
    bug(
        "after a coordinator's restart a node with a new disk is not marked again",
        Mutant {
            file: "node/desk/src/running.rs",
            text: "«self.marking.handle_life(with.now, node, life)»;",
            instead: "()",
            first: DESK,
        },
    ),
    bug(
        "a decision that may lie on the disk is aborted: after a restart the version is there, without columns",
        Mutant {
            file: "node/desk/src/write.rs",
            text: "«self.step = Step::DecidingAgain(decision, with.now + DECIDE_AGAIN)»;",
            instead: "self.put.abort()",
            first: DESK,
        },
    ),
    bug(
        "what an aborted PUT left on a node stays for ever: its coordinator says that it is still deciding",
        Mutant {
            file: "node/desk/src/write.rs",
            text: "«with.store(StoreOrder::Abort { title: self.title.clone(), version })»;",
            instead: "()",
            first: DESK,
        },
    ),
    bug(
        "a message from before a purge is taken: the deleted title returns",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«lock(&self.index).closed.close(TitleHash::of(title))»;",
            instead: "()",
            first: STORE,
        },
    ),
    bug(
        "a blank store promises what its earlier life may have promised to another: both conditional PUTs win",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "if «self.is_silent()» {\n            // In an earlier life",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a column that is not there is promised when the question comes twice",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "held.standing != Standing::Hearsay && («share.is_none() || held.has_column()»);",
            instead: "true",
            first: STORE,
        },
    ),
    bug(
        "a version of a life that is over is promised after all agreed that there is none: it stays pending",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "if «index.retired.contains_key(&(key.1.node, key.1.life))» {\n                Err(Refusal::Superseded)",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "the ledger knows a version before its column has its name: a refused PUT stays pending",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«self.publish_column(&name)?;\n                self.change(now, [pending])»",
            instead: "self.change(now, [pending])?; self.publish_column(&name)",
            first: STORE,
        },
    ),
    bug(
        "a late mark of a coordinator whose life is over is taken: one node has a version that all dropped",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "if «lock(&self.index).retired.contains_key(&(key.1.node, key.1.life))» {",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a reader's mark is taken though the title was closed since it asked: the deleted title returns",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "Some(_) | None if «late» => Marking::Refused,",
            instead: "late && spread.is_none()",
            first: STORE,
        },
    ),
    bug(
        "a member that lies gives an acknowledged version other roots, or other places",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "index.record(key).is_some_and(|held| «held != *record»)",
            instead: "false",
            first: LIES,
        },
    ),
    bug(
        "a member that lies drops the columns of a PUT that another node acknowledges",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«from.node == version.node || from.node == self.whose().node»",
            instead: "true",
            first: LIES,
        },
    ),
    bug(
        "a member that lies ends the lives of all other stores: they forget every title",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«index.remembered.get(&node).is_none_or(|memory| memory.said.life == life)»;",
            instead: "false",
            first: LIES,
        },
    ),
    bug(
        "a node with a new disk speaks of a title that it may have promised: a committed version is dropped",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "if believes { «Standing::Inherited» } else { Standing::Adopted }",
            instead: "Standing::Adopted",
            first: STORE,
        },
    ),
    bug(
        "a coordinator with an old copy of its disk says aborted of what it committed",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "index.active.contains(&key) || «!self.is_sure()» {",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a coordinator says aborted of what an earlier life of it committed",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "version.node == me.node && «version.life == me.life» {",
            instead: "true",
            first: STORE,
        },
    ),
    bug(
        "that a life is over is forgotten in a restart: its late mark makes a version that the others dropped",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«self.change(now, [Change::Retired(node, life)])?»;",
            instead: "lock(&self.index).apply(now, Change::Retired(node, life))",
            first: STORE,
        },
    ),
    bug(
        "a title that is written anew after a purge is below the tombstone that one node kept, and stays deleted",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«self.change(now, [Change::Floor(version.counter), Change::Removed(key)])?»;",
            instead: "self.change(now, [Change::Removed(key)])?",
            first: STORE,
        },
    ),
    bug(
        "a column goes before the ledger says so: after a failed write a promised version has none",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«self.change(now, keys.iter().copied().map(Change::Removed))?»;",
            instead: "for (key, column) in &columns { let _ = self.disk.remove(&FileName { title: key.0, version: key.1, \
                      column: *column }.path()); } self.change(now, keys.iter().copied().map(Change::Removed))?",
            first: STORE,
        },
    ),
    bug(
        "a PUT slips between a conditional one and its base: what that one replaced was never seen",
        Mutant {
            file: "node/src/store/index.rs",
            text: "|| «self.versions(key.0).any(between)»;",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a conditional PUT replaces a version that its client has not seen",
        Mutant {
            file: "node/src/store/index.rs",
            text: "let holds = «self.newest_marked(key.0) == base» && ",
            instead: "self.newest_marked(key.0) >= base",
            first: STORE,
        },
    ),
    bug(
        "a superseded version goes while it is being read: a viewer's stream breaks",
        Mutant {
            file: "node/src/store/index.rs",
            text: "held.since = «now.max(held.since)»;",
            instead: "held.since",
            first: STORE,
        },
    ),
    bug(
        "a decision is no mark: a version that the coordinator alone knows to be committed is not seen",
        Mutant {
            file: "node/src/store/index.rs",
            text: "marked: !held.is_open() || «self.decisions.contains_key(&(title, *version))»,",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "what a store knew before its new life counts again once it has learnt: deleted titles return",
        Mutant { file: "node/src/store/index.rs", text: "«self.forget_hearsay(now)»;", instead: "()", first: STORE },
    ),
    bug(
        "a compaction forgets decisions: after a restart an acknowledged version is said to be aborted",
        Mutant {
            file: "node/src/store/index.rs",
            text: "«changes.extend(self.decisions.values().cloned().map(Change::Decision))»;",
            instead: "()",
            first: STORE,
        },
    ),
    bug(
        "a column whose file is gone is told to be whole, and never restored",
        Mutant {
            file: "node/src/store/index.rs",
            text: "«self.damage(key, \"the file is not there\")»;",
            instead: "()",
            first: STORE,
        },
    ),
    bug(
        "a store that lost its ledger votes as if it had never promised anything",
        Mutant {
            file: "node/src/store/scan.rs",
            text: "let lost = «found.created && !made»;",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "an upload that was resumed in the middle of what had come is refused at its end: a column too few",
        Mutant {
            file: "node/src/store/shelf/upload.rs",
            text: "«incoming.take(fresh)»;",
            instead: "if known == 0 { incoming.take(fresh) }",
            first: STORE,
        },
    ),
    bug(
        "a column that is not what the manifest says is promised: with others of its kind the title is lost",
        Mutant {
            file: "node/src/store/shelf/mod.rs",
            text: "if «columns.roots.get(usize::from(column)) != Some(&tree.root())» {",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a promised column is gone after a power cut",
        Mutant {
            file: "node/src/store/shelf/upload.rs",
            text: "«self.disk.sync(&incoming.file)»\n",
            instead: "Ok(())",
            first: STORE,
        },
    ),
    bug(
        "rot that a reader met is not remembered: the column is told to be whole, and never restored",
        Mutant {
            file: "node/src/store/shelf/column.rs",
            text: "| ColumnError::Block { .. } => «true»,",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a column with rotted checksums passes the check, and fails every reader",
        Mutant {
            file: "node/src/store/shelf/column.rs",
            text: "«column.check_record(&stripe, &bytes)?»;",
            instead: "()",
            first: STORE,
        },
    ),
    bug(
        "whoever asks while a folder is synced is told that his name is durable: after a power cut a column is gone",
        Mutant {
            file: "node/src/store/shelf/group.rs",
            text: "state.covered = «covers»;",
            instead: "state.asked",
            first: ("rain_node", "store::shelf::group"),
        },
    ),
    bug(
        "a version of an earlier life is decided after all had agreed that there is none",
        Mutant {
            file: "node/src/store/orders.rs",
            text: "if «decision.record.version().life != self.whose().life» {",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "ten minutes after a column was restored the sweep removes it",
        Mutant {
            file: "node/src/store/orders.rs",
            text: "index.uploads.remove(&key);\n        «index.unclaimed.remove(&key)»;",
            instead: "None",
            first: STORE,
        },
    ),
    bug(
        "an old copy of a node goes on being heard after its successor was",
        Mutant {
            file: "node/src/store/mod.rs",
            text: "if «index.retired.contains_key(&(node, life))» {\n                return Ok(false);",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "the name of a promised column is gone after a power cut",
        Mutant {
            file: "node/src/store/shelf/mod.rs",
            text: "«self.titles.sync(|| self.disk.sync_folder(TITLES))»",
            instead: "Ok(())",
            first: STORE,
        },
    ),
    bug(
        "a change that was durable is forgotten by a compaction that came at that moment",
        Mutant {
            file: "node/src/store/mod.rs",
            text: "«self.ledger.append_all(changes.iter().map(Change::to_bytes))?»;",
            instead: "drop(_hold); self.ledger.append_all(changes.iter().map(Change::to_bytes))?",
            first: STORE,
        },
    ),
    bug(
        "after the loss of a disk a message from before a purge is taken: the deleted title returns",
        Mutant {
            file: "node/src/store/index.rs",
            text: "«ticket.0 >> 32 != u64::from(self.start)»",
            instead: "ticket.0 >> 32 < u64::from(self.start)",
            first: STORE,
        },
    ),
    bug(
        "after a new life and a restart hearsay counts as knowledge: deleted titles return",
        Mutant {
            file: "node/src/store/mod.rs",
            text: "hearsay would be taken for knowledge.\n        «self.compact(&mut compacted)?»;",
            instead: "()",
            first: STORE,
        },
    ),
    bug(
        "what a failed write left is read at the next start as if somebody had been promised it",
        Mutant {
            file: "node/src/store/ledger/tail.rs",
            text: "if «self.dirty» {\n            self.chain.generation = self.next_generation()?;",
            instead: "false",
            first: LEDGER,
        },
    ),
    bug(
        "a compacted ledger has no durable name: after a power cut all that was promised since is forgotten",
        Mutant {
            file: "node/src/store/ledger/tail.rs",
            text: "*self = Self::make(disk, header, records)?;\n        «disk.sync_folder(\"\")?»;",
            instead: "()",
            first: LEDGER,
        },
    ),
    bug(
        "where the sync of a compacted ledger's name failed, what is promised next is gone after a power cut",
        Mutant {
            file: "node/src/store/ledger/tail.rs",
            text: "if !self.named {\n            «disk.sync_folder(\"\")?»;",
            instead: "()",
            first: LEDGER,
        },
    ),
    bug(
        "a change whose sync failed is shown at the next start, and gone after a power cut",
        Mutant {
            file: "node/src/store/ledger/tail.rs",
            text: "if «!damaged && survey.records > 0» {",
            instead: "false",
            first: LEDGER,
        },
    ),
    bug(
        "a compaction does not wait for changes that are durable and not yet known: they are forgotten",
        Mutant {
            file: "node/src/store/ledger/queue.rs",
            text: "while «queue.leading || queue.holds > 0» {",
            instead: "queue.leading",
            first: LEDGER,
        },
    ),
    bug(
        "every crash in the middle of a write is taken for rot: the node begins a new life, blank",
        Mutant {
            file: "node/src/store/ledger/frame.rs",
            text: "self.is_later(chain) && «self.durable > chain.sequence»",
            instead: "self.durable >= chain.sequence",
            first: LEDGER,
        },
    ),
    bug(
        "a frame of a batch that failed is read behind another: a refused change is there after a restart",
        Mutant {
            file: "node/src/store/ledger/frame.rs",
            text: "self.sequence == chain.sequence + 1 && «self.previous == chain.check»",
            instead: "true",
            first: LEDGER,
        },
    ),
    bug(
        "a column that failed is asked for again by the way around the late one",
        Mutant {
            file: "node/fetch/src/gather.rs",
            text: "plan.needed().all(|(needed, _)| «needed != column»)",
            instead: "true",
            first: FETCH,
        },
    ),
    bug(
        "the way around a late column leads over a lost one, which never comes: the stream stands",
        Mutant {
            file: "node/fetch/src/gather.rs",
            text: "PiecePlan::new(&self.codec, &self.wanted, «union(self.lost, late)»)",
            instead: "late",
            first: FETCH,
        },
    ),
    bug(
        "one big hedge takes more than is there: more is wasted than was promised",
        Mutant {
            file: "node/fetch/src/budget.rs",
            text: "let is_there = «self.bytes >= whole(bytes)»;",
            instead: "self.bytes > 0",
            first: FETCH,
        },
    ),
    bug(
        "a path that breaks at once is asked again and again",
        Mutant {
            file: "node/fetch/src/column_fetch.rs",
            text: "«self.failed.push(path)»;",
            instead: "()",
            first: FETCH,
        },
    ),
    bug(
        "every hedge that found no path costs budget: after a bad hour late nodes are waited for",
        Mutant {
            file: "node/fetch/src/column_fetch.rs",
            text: "let Some(asking) = self.asking.take() else { return Became::Open };\n        «step.give_back(asking.charged)»;",
            instead: "()",
            first: FETCH,
        },
    ),
    bug(
        "a damaged column is asked for again in every round until the patience is over",
        Mutant {
            file: "node/fetch/src/piece_fetch.rs", text: "if «why.is_loss()» {", instead: "false", first: FETCH
        },
    ),
    bug(
        "when what stood in for a late column fails too, the late one is waited for half a second",
        Mutant {
            file: "node/fetch/src/piece_fetch.rs", text: "«asked.without = false»;", instead: "()", first: FETCH
        },
    ),
    bug(
        "a range of which too few columns are left is looked for for ever: the viewer gets no error",
        Mutant {
            file: "node/fetch/src/piece_fetch.rs",
            text: "if «step.now < self.until» && self.missing",
            instead: "true",
            first: FETCH,
        },
    ),
    bug(
        "nodes that were late once are not asked though without them there are too few: the stream breaks",
        Mutant {
            file: "node/fetch/src/piece_fetch.rs",
            text: "let gather = «Gather::new(codec, wanted, avoided).or_else(|_| Gather::new(codec, wanted, *lost))»;",
            instead: "Gather::new(codec, wanted, avoided)",
            first: FETCH,
        },
    ),
    bug(
        "what a hedge did not waste is given back twice: more is wasted than was promised",
        Mutant {
            file: "node/fetch/src/piece_fetch.rs",
            text: "step.give_back(«core::mem::take(&mut self.charged)»);",
            instead: "self.charged",
            first: FETCH,
        },
    ),
    bug(
        "bytes that were put together wrongly reach the viewer",
        Mutant {
            file: "node/fetch/src/assemble.rs",
            text: "if «crc64(&output[range.clone()]) != expected» {",
            instead: "false",
            first: FETCH,
        },
    ),
    bug(
        "rot in all stripes of an answer but the first reaches the viewer",
        Mutant {
            file: "node/fetch/src/assemble.rs",
            text: "for index in «arrival.read.stripes.clone()» {",
            instead: "arrival.read.stripes.start..arrival.read.stripes.start + 1",
            first: FETCH,
        },
    ),
    bug(
        "a peer that asks for the last stripe together with full ones gets bytes from wrong places",
        Mutant {
            file: "node/fetch/src/column_read.rs",
            text: "«first.cell_bytes == last.cell_bytes»\n",
            instead: "first.cell_bytes >= last.cell_bytes",
            first: FETCH,
        },
    ),
    bug(
        "small requests overtake a big one for ever: its viewer waits",
        Mutant {
            file: "node/fetch/src/turns.rs",
            text: "if «taken.contains(&port) || !ports.has_room(port, bytes)» {",
            instead: "!ports.has_room(port, bytes)",
            first: FETCH,
        },
    ),
    bug(
        "the window only grows: switches drop what they cannot hold, and viewers wait for retransmissions",
        Mutant {
            file: "node/fetch/src/window.rs",
            text: "(self.began, self.came) = (now, «0»);",
            instead: "self.came",
            first: FETCH,
        },
    ),
    bug(
        "a node that was late once is avoided for ever, and twice as much may be wasted",
        Mutant {
            file: "node/fetch/src/commons.rs",
            text: "self.suspected.is_some_and(|since| «now.since(since) < SUSPICION»)",
            instead: "true",
            first: FETCH,
        },
    ),
    bug(
        "of what was missed while a node was away, half is never learnt",
        Mutant {
            file: "node/desk/src/learn.rs",
            text: "self.due.extend((«theirs != digest»).then_some((from.node, 0)));",
            instead: "theirs > digest",
            first: DESK,
        },
    ),
    bug(
        "an old copy of a disk that writes on is not found out: it has made as many changes as the others remember",
        Mutant {
            file: "node/src/store/mod.rs",
            text: "let serial = if «self.is_sure()» { self.ledger.serial() }",
            instead: "true",
            first: STORE,
        },
    ),
    bug(
        "a store that is not sure yet makes a promise that an old copy of it would forget unseen",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "if «!self.is_sure()» {\n            // A promise that",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a node outside the catalog keeps a version that was replaced, and its title is never purged",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "|| «lock(&self.index).holds(key.0)»\n",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a column that somebody wrote anew, checksums and all, reaches the viewer",
        Mutant {
            file: "node/fetch/src/assemble.rs",
            text: "«arrival.prove(&proof, root, geometry)?»;",
            instead: "()",
            first: FETCH,
        },
    ),
    harmless(
        "A buffer that ends where the range begins is looked at besides: its part is empty and filtered out, and the \
         copy is that of the next ones.",
        Mutant {
            file: "node/fetch/src/rope.rs",
            text: "let first = self.buffers.partition_point(|(offset, bytes)| «offset + bytes.len() <= range.start»);",
            instead: "offset + bytes.len() < range.start",
            first: FETCH,
        },
    ),
    harmless(
        "What came of a lost column is kept, but no plan made after the loss needs a lost column, and a column that was \
         lost once is never had again in the same gathering.",
        Mutant {
            file: "node/fetch/src/gather.rs",
            text: "«self.arrived.remove(&column)»;",
            instead: "None",
            first: FETCH,
        },
    ),
    harmless(
        "Where the groups of a run begin just where those before end, the bytes from the last ones asked for to this run \
         are taken as one range: the same as both halves, which are joined as they touch.",
        Mutant {
            file: "node/fetch/src/read_proof.rs",
            text: "if «start >= held» {",
            instead: "start > held",
            first: FETCH,
        },
    ),
    bug(
        "what a failed sync has lost is taken for durable at the next: a promised column is gone after a power cut",
        Mutant {
            file: "node/src/store/shelf/shares/mod.rs",
            text: "«self.rewrite_shares(unsynced)»;",
            instead: "()",
            first: SHARES,
        },
    ),
    bug(
        "a column that came with its version and is not what the manifest says is promised",
        Mutant {
            file: "node/src/store/shelf/shares/mod.rs",
            text: "let header = «self.proven_header(record, column, &tree)»?;",
            instead: "super::header_of(record, column, self.tag(), tree.root()).map_err(io::Error::other)",
            first: STORE,
        },
    ),
    bug(
        "the ledger forgets a column whose file was never synced: it is gone after a power cut",
        Mutant {
            file: "node/src/store/shelf/shares/mod.rs",
            text: "«self.sync_files()?»;\n        let keys",
            instead: "()",
            first: SHARES,
        },
    ),
    bug(
        "a column of which a power cut left not even the name is not written again from the ledger",
        Mutant {
            file: "node/src/store/shelf/shares/mod.rs",
            text: "Err(error) if «error.kind() == io::ErrorKind::NotFound» =>",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "the ledger forgets the only sound bytes of a column whose file cannot be written",
        Mutant {
            file: "node/src/store/shelf/shares/mod.rs",
            text: ".filter(|key| «!is_damaged(*key)»).collect()",
            instead: "true",
            first: SHARES,
        },
    ),
    bug(
        "a sync that fails for one column loses another, which is taken for durable at the next",
        Mutant {
            file: "node/src/store/orders.rs",
            text: "proven && «self.sync_files()».is_ok()",
            instead: "self.disk.sync_all()",
            first: SHARES,
        },
    ),
    bug(
        "ten minutes after a column was brought again the sweep removes it",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "«index.unclaimed.remove(&key)»;",
            instead: "None",
            first: SHARES,
        },
    ),
    bug(
        "a late question whether a version prepares takes its mark back: a reader gets the version before",
        Mutant {
            file: "node/src/store/requests.rs",
            text: "} else if «index.held(key).is_some_and(Held::is_marked)» {",
            instead: "false",
            first: SHARES,
        },
    ),
    bug(
        "after a compaction and a restart a conditional PUT counts as an unconditional one",
        Mutant {
            file: "node/src/store/packed.rs",
            text: "bytes.push(«(*conditional).into()»);",
            instead: "0",
            first: ("rain_node", "store::packed"),
        },
    ),
    bug(
        "where a column was moved to is forgotten: it is moved back by whoever knows no better",
        Mutant {
            file: "node/src/store/packed.rs",
            text: "put(&mut bytes, «record.placement.generation»);",
            instead: "0",
            first: ("rain_node", "store::packed"),
        },
    ),
    bug(
        "of what was missed, all but one version of each bucket is never learnt",
        Mutant {
            file: "cluster/src/digests.rs",
            text: "self.0[bucket] = «self.0[bucket].wrapping_add(version)»;",
            instead: "version",
            first: CLUSTER,
        },
    ),
    bug(
        "a peer that sends too few digests stops the node: it panics",
        Mutant {
            file: "cluster/src/digests.rs",
            text: "if «digests.len() == BUCKETS» {",
            instead: "true",
            first: CLUSTER,
        },
    ),
    bug(
        "a node that asks for what it missed is told nothing",
        Mutant {
            file: "cluster/src/digests.rs",
            text: "«self.0[bucket] == other.0[bucket]»",
            instead: "true",
            first: CLUSTER,
        },
    ),
    bug(
        "two configurations of one epoch: a voter forgets in a power cut what it has answered",
        Mutant {
            file: "cluster/src/register/acceptor.rs",
            text: "(true, _) => «&mut self.waiting»,",
            instead: "&mut self.ready",
            first: REGISTER,
        },
    ),
    bug(
        "a change comes into force without the nodes that still decide: two halves of a cluster go on by themselves",
        Mutant {
            file: "cluster/src/register/electorate.rs",
            text: "«self.sets().all(|set| set.has_majority(|voter| has(voter) && !self.value.is_retired(voter)))»",
            instead: "self.value.new.has_majority(|voter| has(voter))",
            first: REGISTER,
        },
    ),
    bug(
        "a node with a new disk votes for the old one, whose promises it does not know",
        Mutant {
            file: "cluster/src/register/acceptor.rs",
            text: "Some(record) if «to == self.me» =>",
            instead: "to.node == self.me.node",
            first: REGISTER,
        },
    ),
    bug(
        "a node that was restarted proposes another change under the number of its last one",
        Mutant {
            file: "cluster/src/register/proposer.rs",
            text: "proposer: self.me, incarnation: «self.incarnation» }",
            instead: "0",
            first: REGISTER,
        },
    ),
    bug(
        "a change that is in force is overwritten by one that was given up",
        Mutant {
            file: "cluster/src/register/proposer.rs",
            text: "match «told.max_by_key(|told| (told.value.epoch, told.ballot))».map",
            instead: "told.min_by_key(|told| (told.value.epoch, told.ballot))",
            first: REGISTER,
        },
    ),
    bug(
        "of two people who change the members at once, the second undoes the first one's change",
        Mutant {
            file: "cluster/src/register/attempt.rs",
            text: "let has_other_voters = «shown.base.epoch > self.base.epoch || shown.value.is_forced(&shown.base)»;",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "a voter accepts what it has promised not to: two configurations of one epoch",
        Mutant {
            file: "cluster/src/register/acceptor.rs",
            text: "if «promised > proposal.ballot» ||",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "a voter goes back behind what was forced",
        Mutant {
            file: "cluster/src/register/acceptor.rs",
            text: "|| «epoch > proposal.value.epoch» {",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "a damaged record is believed",
        Mutant {
            file: "cluster/src/register/record.rs",
            text: "if «blake3::hash(body).as_bytes() != hash» {",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "a replaced disk that is put back has a vote again",
        Mutant {
            file: "cluster/src/register/change.rs",
            text: "«retire(retired, member.voter)»;",
            instead: "()",
            first: REGISTER,
        },
    ),
    bug(
        "other voters are in force at once, and have no majority in common with those before",
        Mutant {
            file: "cluster/src/register/configuration.rs",
            text: "(None, None) if «!self.new.has_quorums_of(&base.new)» =>",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "a node goes back to an earlier configuration that it is told late",
        Mutant {
            file: "cluster/src/register/learner.rs",
            text: "let is_news = «configuration.epoch > self.0.epoch»;",
            instead: "true",
            first: REGISTER,
        },
    ),
    bug(
        "a change is refused for ever by a voter that has promised more",
        Mutant {
            file: "cluster/src/register/proposer.rs",
            text: "self.number = «self.number.max(promised.number.min(highest))»;",
            instead: "self.number",
            first: REGISTER,
        },
    ),
    bug(
        "a life that has ended votes",
        Mutant {
            file: "cluster/src/register/electorate.rs",
            text: "filter(|voter| «!self.value.is_retired(*voter)»)",
            instead: "true",
            first: REGISTER,
        },
    ),
    bug(
        "a member that lies has every store begin a new life, one after another: all titles are forgotten",
        Mutant {
            file: "node/src/store/lives.rs",
            text: "let is_own = |said: &Testimony| «said.signet == self.signet_key.signet(node, said.life, said.serial)»;",
            instead: "true",
            first: STORE,
        },
    ),
    bug(
        "a member that lies ends the life of a store whose disk was replaced, with what its node said before",
        Mutant {
            file: "node/src/store/lives.rs",
            text: "let is_over = memory.retired && !unknown.is_empty() && «!began_now»;",
            instead: "true",
            first: STORE,
        },
    ),
    bug(
        "whoever changed the cluster is told before it is durable: after a power cut his node denies it",
        Mutant {
            file: "cluster/src/register/registrar.rs",
            text: "let waits = «self.news.is_some() && self.disk != Disk::Refused»;",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "news that comes while the disk is at work is forgotten",
        Mutant {
            file: "cluster/src/register/registrar.rs",
            text: "self.news.take_if(|news| «news.epoch <= saved.epoch»);",
            instead: "true",
            first: REGISTER,
        },
    ),
    bug(
        "a change that is half-way stays so for ever once others failed to end it",
        Mutant {
            file: "cluster/src/register/registrar.rs",
            text: "Some(Errand::Tending) if «found.is_none()» =>",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "another number of catalog nodes is in force before anybody has learnt",
        Mutant {
            file: "cluster/src/register/configuration.rs",
            text: "let set = |set: &MemberSet| («set.catalog», set.with_data()",
            instead: "0",
            first: REGISTER,
        },
    ),
    bug(
        "an old copy of a disk votes, and forgets what it promised",
        Mutant {
            file: "cluster/src/register/registrar.rs",
            text: "RegisterMessage::Question(_) if «!self.is_sure» => {}",
            instead: "false",
            first: REGISTER,
        },
    ),
    bug(
        "whoever has forgotten what it promised votes",
        Mutant {
            file: "cluster/src/register/founding.rs",
            text: "u8::from(«heard.can_vote && votes > 0»)",
            instead: "votes > 0",
            first: REGISTER,
        },
    ),
    bug(
        "each member founds a cluster of its own",
        Mutant {
            file: "cluster/src/register/founding.rs",
            text: "filter(|_| «self.is_founder()»)",
            instead: "true",
            first: REGISTER,
        },
    ),
    bug(
        "what a life that is over wrote late takes the vote of the next one",
        Mutant {
            file: "node/src/store/register.rs",
            text: "if «(whose.node, whose.life) != (me.node, me.life)» {",
            instead: "false",
            first: STORE,
        },
    ),
    bug(
        "a column is let go of before the node that is to hold it does: each move is a loss",
        Mutant {
            file: "node/desk/src/moving.rs", text: "if «holds && is_first» {", instead: "is_first", first: DESK
        },
    ),
    bug(
        "two nodes hold one column, and another one nobody, for ever",
        Mutant {
            file: "node/desk/src/moving.rs",
            text: "«self.unaware(with, record)»",
            instead: "Vec::<rain_cluster::NodeId>::new()",
            first: DESK,
        },
    ),
    bug(
        "the older set goes before those who come to catalogs have learnt: what was acknowledged is not found",
        Mutant {
            file: "cluster/src/register/readiness.rs",
            text: "members.is_known_enough(goes_by) && «members.learners().iter().all(has_learnt)»",
            instead: "true",
            first: REGISTER,
        },
    ),
    bug(
        "a disk that was replaced is taken for one that has learnt",
        Mutant {
            file: "cluster/src/register/readiness.rs",
            text: "«*life == member.voter.life» && progress",
            instead: "true",
            first: REGISTER,
        },
    ),
    bug(
        "a path that is no more counts as one that is down: all are read as if something were amiss",
        Mutant {
            file: "cluster/src/path/table.rs",
            text: "path.state == PathState::Down && «!path.is_retired»",
            instead: "true",
            first: CLUSTER,
        },
    ),
];
