//! What a store of very many titles takes: its memory, and the time until a node serves with it.
//!
//! `cargo bench -p rain-benches --bench million -- FOLDER [TITLES]`, after `cargo build --release`; the folder should be on
//! the disk that is meant, and has room for 8 KiB a title. Without a number, a million.
//!
//! The store is made by its own code, on a disk that syncs nothing on the way: each title is 1 KiB, prepared with its column
//! and marked, as a PUT does it. Its column lies in a file, and where that is not synced yet in the ledger besides. Then `rain node` starts on it, alone of its cluster.

use rain_benches::{rain_program, write_record};
use rain_cluster::{
    Attributes, Base, Columns, Content, EtagKind, Life, Manifest, Members, NodeId, Placement, Record, Reply, Request,
    Seat, Sender, Share, Signet, Time, Version,
};
use rain_codec::column::{ColumnTree, StripeEncoder, default_group_bytes};
use rain_codec::{Code, StripeCodec};
use rain_desk::{Codes, StoreOrder, StoreTold};
use rain_gauge::Machine;
use rain_harness::{Member, Process, clean_up_on_signals, configuration, get};
use rain_node::store::{Disk, SignetKey, Store, StorePlan, SystemDisk, title_version};
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const TITLES: u64 = 1_000_000;
const TITLE_BYTES: usize = 1 << 10;
const CELL_BYTES: u32 = 4096;
const CODE: &str = "b-code:4";
const NODES: [u32; 4] = [1, 2, 3, 4];
const ME: NodeId = NodeId(1);
const PORT: u16 = 17_390;
/// A node looks after what may go as often, in titles that are written meanwhile.
const SWEEP: usize = 50_000;
const STARTS: usize = 2;
const START: Duration = Duration::from_mins(5);
/// By then the node has looked after everything once.
const CALM: Duration = Duration::from_secs(12);

/// A disk on which nothing is waited for: what the generator makes is lost by a crash, and then it is made again.
#[derive(Debug)]
struct Unsynced(SystemDisk);

impl Disk for Unsynced {
    type File = File;

    const ROOM: &[u8] = &[];

    fn create(&self, path: &str) -> io::Result<File> {
        self.0.create(path)
    }

    fn open(&self, path: &str) -> io::Result<File> {
        self.0.open(path)
    }

    fn edit(&self, path: &str) -> io::Result<File> {
        self.0.edit(path)
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        self.0.len(file)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(file, offset, bytes)
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(file, offset, buffer)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        self.0.create_folder(path)
    }

    fn sync_folder(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.0.list(path, show)
    }
}

fn plan() -> io::Result<StorePlan> {
    let members = Members::new(0, NODES.map(NodeId).to_vec(), None).map(Arc::new).map_err(io::Error::other)?;
    let (codes, signet_key) = (Arc::new(Codes::default()), SignetKey::new([0; 32]));
    Ok(StorePlan { node: ME, members, signet_key, codes, fresh_store: 1, fresh_life: Life(1) })
}

/// A title of which this node has column 0, and the records of that column.
fn title(codec: &Arc<StripeCodec>, number: u64) -> io::Result<(Record, Arc<[u8]>)> {
    let mut content = [0; TITLE_BYTES];
    rain_benches::content(number).fill(&mut content);
    let name = format!("small-{number:08}");
    let random = u32::try_from(number).map_err(io::Error::other)?;
    let version = Version { counter: 1, node: NodeId(2), life: Life(7), random };
    let mut encoder = StripeEncoder::new(Arc::clone(codec), CELL_BYTES, CELL_BYTES, &name, title_version(version));
    let records = encoder.encode_stripe(0, &content)[0].clone().into();
    let mut etag = [0; 16];
    etag.copy_from_slice(&blake3::hash(&content).as_bytes()[..16]);
    let columns = Columns {
        bytes: TITLE_BYTES as u64,
        etag_kind: EtagKind::Content,
        etag,
        code: CODE.to_owned(),
        columns: 4,
        data_columns: 2,
        layout: 0,
        cell_bytes: CELL_BYTES,
        block_bytes: CELL_BYTES,
        group_bytes: default_group_bytes(CELL_BYTES),
        modified_ms: 1_790_000_000_000,
        roots: encoder.finish().iter().map(ColumnTree::root).collect(),
    };
    let content = Content::Columns(columns);
    let attributes = Attributes::default();
    let manifest = Manifest { title: name, version, epoch: 0, conditional: false, content, attributes };
    let seats = NODES.map(|node| Seat { node: NodeId(node), store: 1 }).to_vec();
    let placement = Placement { generation: 0, seats };
    Ok((Record { manifest: Arc::new(manifest), placement: Arc::new(placement) }, records))
}

/// Lets a store take so many titles.
fn generate(data: &Path, titles: u64) -> io::Result<()> {
    let disk = Unsynced(SystemDisk::take(data).map_err(io::Error::other)?);
    let store = Store::open(disk, plan()?, Time::default()).map_err(io::Error::other)?;
    let expect =
        |told: StoreTold| if told == StoreTold::Done { Ok(()) } else { Err(io::Error::other(format!("{told:?}"))) };
    let life = store.me().life;
    for order in [StoreOrder::SetSure, StoreOrder::SetLearnt { life, epoch: 0 }] {
        expect(store.carry_out(Time::default(), order))?;
    }
    let codec = Arc::new(StripeCodec::new(Arc::new(Code::named(CODE).map_err(io::Error::other)?)));
    let from = Sender { node: NodeId(2), life: Life(7), serial: 1, epoch: 0, signet: Signet(0) };
    let ask = |request: &Request, expected: &Reply| {
        let reply = store.answer(Time::default(), from, request)?;
        if reply == *expected {
            Ok(())
        } else {
            Err(io::Error::other(format!("found {reply:?}, expected {expected:?}")))
        }
    };
    let one = |number: u64| {
        let (record, records) = title(&codec, number)?;
        let share = Some(Share { column: 0, records: Some(records) });
        let ticket = store.lookup(record.title()).ticket;
        let prepare = Request::Prepare { record: record.clone(), base: Base::Nothing, share, ticket };
        ask(&prepare, &Reply::Prepared)?;
        ask(&Request::Mark { record, spread: None }, &Reply::Marked)
    };
    for first in (0..titles).step_by(SWEEP) {
        let behind = (first + SWEEP as u64).min(titles);
        // Two threads, as there are processors at least.
        let middle = first.midpoint(behind);
        let halves = [first..middle, middle..behind];
        let made: io::Result<()> = thread::scope(|scope| {
            let halves = halves.map(|mut half| scope.spawn(move || half.try_for_each(one)));
            halves.into_iter().try_for_each(|half| half.join().map_err(|_| io::Error::other("a panic"))?)
        });
        made?;
        expect(store.carry_out(Time::default(), StoreOrder::Sweep))?;
    }
    Ok(())
}

/// Starts a node on a data folder, and waits until it serves: how long that takes, and what it has in memory when it has
/// looked after everything once: of its own, and with what it has mapped.
fn start(folder: &Path, data: &Path) -> io::Result<(Duration, u64, u64)> {
    let member = |(node, name): (u32, &str)| {
        let octet = u8::try_from(node).map_err(io::Error::other)?;
        let port = PORT + u16::from(octet) - 1;
        Ok(Member {
            name: name.to_owned(),
            id: NodeId(node).to_string(),
            key: None,
            http: (Ipv4Addr::LOCALHOST, port).into(),
            addresses: vec![("s1".to_owned(), (Ipv4Addr::new(127, 1, octet, 3), PORT).into())],
        })
    };
    let members = NODES.into_iter().zip(["A", "B", "C", "D"]).map(member).collect::<io::Result<Vec<Member>>>()?;
    let config = folder.join("A.toml");
    fs::write(&config, configuration(&members, 0, data, CODE, ""))?;
    let mut command = Command::new(rain_program()?);
    command.arg("node").arg("--config").arg(&config).env("RAIN_LOG", "error");
    let began = Instant::now();
    let node = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    while get(PORT, "/healthz", |_| Ok(())).is_err() {
        if began.elapsed() > START {
            return Err(io::Error::other(format!("the node does not serve after {START:?}")));
        }
        sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    sleep(CALM);
    let status = fs::read_to_string(format!("/proc/{}/status", node.id()))?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    Ok((took, kib("RssAnon") << 10, kib("VmRSS") << 10))
}

fn main() -> io::Result<()> {
    // Cargo adds an argument of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let Some(parent) = arguments.next().map(PathBuf::from) else {
        println!("a folder is needed, on the disk that is meant");
        return Ok(());
    };
    let titles = arguments.next().map_or(Ok(TITLES), |titles| titles.parse()).map_err(io::Error::other)?;
    clean_up_on_signals()?;
    let folder = parent.join(format!("million-{}", std::process::id()));
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let measure = || {
        let began = Instant::now();
        generate(&data, titles)?;
        println!("{titles} titles made in {:.0} s", began.elapsed().as_secs_f64());
        let ledger_bytes = fs::metadata(data.join("ledger"))?.len();
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let (took, own, resident) = start(&folder, &data)?;
            println!(
                "a start takes {:.2} s; {} MiB of memory, {} of its own",
                took.as_secs_f64(),
                resident >> 20,
                own >> 20
            );
            starts.push(json!({ "start_s": took.as_secs_f64(), "resident_bytes": resident, "own_bytes": own }));
        }
        Ok(json!({ "titles": titles, "title_bytes": TITLE_BYTES, "ledger_bytes": ledger_bytes, "starts": starts }))
    };
    let measured: io::Result<_> = measure();
    fs::remove_dir_all(&folder)?;
    let results = vec![("million".to_owned(), vec![measured?])];
    println!("benches/record/{}", write_record(&Machine::detect(), "million", &results)?.display());
    Ok(())
}
