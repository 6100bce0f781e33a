//! How long one step of a node's desk takes, with many writes under way: from what it is told to its last order. All nodes
//! answer as they should, and the writes go on by turns.
//!
//! `cargo bench -p rain-benches --bench desk`: microseconds at the median, the 99th and the 99.9th percentile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rain_cluster::commit::{Begin, Condition, Shape, Shares};
use rain_cluster::{
    Attributes, Columns, Content, EtagKind, Life, Manifest, Members, NodeId, Record, Reply, Request, Sender, Signet,
    Time, TitleState,
};
use rain_desk::{Codes, Desk, DeskPlan, Event, Order, StoreTold, Task, TaskId, Told};

const NODES: u32 = 4;
const ME: NodeId = NodeId(1);
const UNDER_WAY: usize = 1000;
const WRITES: usize = 100_000;

fn sender(node: NodeId) -> Sender {
    Sender { node, life: Life(7), serial: 1, epoch: 0, signet: Signet(0) }
}

/// What a node answers to which all titles are new.
fn reply(request: &Request) -> Reply {
    match request {
        Request::Lookup { .. } | Request::Retire { .. } | Request::Close { .. } => Reply::State(TitleState::default()),
        Request::Prepare { .. } => Reply::Prepared,
        Request::Mark { .. } => Reply::Marked,
        Request::Drop { .. } | Request::Purge { .. } => Reply::Dropped,
        Request::Look { .. }
        | Request::Outcome { .. }
        | Request::Committed { .. }
        | Request::Digest
        | Request::Remembered => {
            unreachable!("no write asks that")
        }
    }
}

fn uploaded(title: String, begin: Begin) -> Told {
    let columns = Columns {
        bytes: 1024,
        etag_kind: EtagKind::Content,
        etag: [0; 16],
        code: "b-code:4".to_owned(),
        columns: 4,
        data_columns: 2,
        layout: 0,
        cell_bytes: 65_536,
        block_bytes: 16_384,
        group_bytes: 16_384,
        modified_ms: 0,
        roots: vec![[0; 32]; 4],
    };
    let (version, content) = (begin.version, Content::Columns(columns));
    let manifest =
        Manifest { title, version, epoch: 0, conditional: false, content, attributes: Attributes::default() };
    let nodes = begin.uploads.iter().map(|(node, _)| *node).collect();
    let record = Record { manifest: Arc::new(manifest), placement: Arc::new(begin.placement) };
    Told::Uploaded { record, shares: Shares::Uploaded(nodes), condition: Condition::None }
}

fn main() {
    let members = Arc::new(Members::new(0, (1..=NODES).map(NodeId).collect(), None).expect("four members"));
    let mut desk = Desk::new(DeskPlan { me: sender(ME), members, codes: Arc::new(Codes::default()) });
    let (mut started, mut over) = (0, 0);
    let mut titles: BTreeMap<TaskId, String> = BTreeMap::new();
    let mut told: VecDeque<(TaskId, Told)> = VecDeque::new();
    let mut steps: Vec<Duration> = Vec::new();
    let now = Time::default();
    while over < WRITES {
        let step = if started < WRITES && started - over < UNDER_WAY {
            let title = format!("title-{started}");
            let shape = Some(Shape { columns: 4, data_columns: 2 });
            let task = Task::Write { title: title.clone(), shape, random: 1 };
            started += 1;
            let began = Instant::now();
            titles.insert(desk.begin(now, task), title);
            began
        } else {
            let (id, what) = told.pop_front().expect("a write under way waits for something");
            let began = Instant::now();
            desk.handle(now, id, what);
            began
        };
        let (mut orders, mut events) = (Vec::new(), Vec::new());
        while let Some(order) = desk.poll_order() {
            orders.push(order);
        }
        while let Some(event) = desk.poll_event() {
            events.push(event);
        }
        steps.push(step.elapsed());
        for (id, order) in orders {
            told.push_back((
                id,
                match order {
                    Order::Ask(to, request) => Told::Answer(sender(to), request.kind(), reply(&request)),
                    Order::Store(_) => Told::Stored(StoreTold::Done),
                    Order::Restore(_) | Order::Rate(_) => unreachable!("no write restores"),
                },
            ));
        }
        for (id, event) in events {
            if let Event::Begin(begin) = event {
                told.push_back((id, uploaded(titles[&id].clone(), begin)));
            }
        }
        titles.retain(|id, _| {
            let is_over = steps.len().is_multiple_of(UNDER_WAY) && desk.is_over(*id);
            over += usize::from(is_over);
            !is_over
        });
    }
    steps.sort_unstable();
    let at = |permille: usize| steps[(steps.len() - 1) * permille / 1000].as_secs_f64() * 1e6;
    println!(
        "{WRITES} writes, {UNDER_WAY} at a time, {} steps: {:.2} us at the median, {:.2} at p99, {:.2} at p99.9",
        steps.len(),
        at(500),
        at(990),
        at(999)
    );
}
