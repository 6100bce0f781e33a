//! What RUDP costs: frames per second of one processor, for both ends together, without sockets and without seals.
//!
//! ```text
//! cargo run --release -p rain-cluster --example rudp_rate
//! ```
#![expect(clippy::unwrap_used, reason = "what cannot be is a failure of the measurement")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock; the machine does not")]

use rain_cluster::rudp::{Delivery, Endpoint, Identity, PathId, PathTransition, RudpEvent};
use rain_cluster::{NodeId, Time};
use std::time::{Duration, Instant};

const PATHS: u16 = 2;
/// Over every path.
const DELAY: Duration = Duration::from_micros(100);
/// For each length of messages so many times a window of 256 frames; the median of so many runs is told.
const WINDOWS: u32 = 400;
const RUNS: usize = 9;

fn end(node: u32) -> Endpoint {
    let mut end = Endpoint::new(Identity { cluster: 1, node: NodeId(node), incarnation: 1 });
    end.add_peer(NodeId(1 - node), PATHS.into());
    for path in 0..PATHS {
        end.handle_path(Time::default(), NodeId(1 - node), PathId(path), PathTransition { up: true, epoch: 1 });
    }
    end
}

/// Two ends and what is on the way between them: all that leaves together arrives together, a little later.
struct Pair {
    now: Time,
    ends: [Endpoint; 2],
    buffers: Vec<Vec<u8>>,
    frames: u32,
}

impl Pair {
    /// Takes events and carries frames until both are silent; the messages that came.
    fn settle(&mut self) -> usize {
        let (mut came, mut under_way) = (0, Vec::new());
        loop {
            for (index, end) in self.ends.iter_mut().enumerate() {
                while let Some(event) = end.poll_event() {
                    came += usize::from(matches!(event, RudpEvent::Message { .. }));
                }
                let mut buffer = self.buffers.pop().unwrap_or_default();
                while let Some(transmit) = end.poll_transmit(self.now, &mut buffer) {
                    under_way.push((1 - index, transmit.path, buffer));
                    buffer = self.buffers.pop().unwrap_or_default();
                }
                self.buffers.push(buffer);
            }
            self.now = self.now + DELAY;
            if under_way.is_empty() {
                let Some(due) = self.ends.iter().filter_map(Endpoint::poll_timeout).min() else { return came };
                self.now = self.now.max(due);
                self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
            }
            for (to, path, mut bytes) in under_way.drain(..) {
                self.frames += 1;
                self.ends[to].handle_message(self.now, path, &bytes).unwrap();
                bytes.clear();
                self.buffers.push(bytes);
            }
        }
    }
}

fn main() {
    println!("message bytes  data frames/s  all frames/s  MB/s");
    for bytes in [64, 1024, 65_536_usize] {
        let mut pair = Pair { now: Time::default(), ends: [end(0), end(1)], buffers: Vec::new(), frames: 0 };
        pair.settle();
        let frames = bytes.div_ceil(1024);
        let (count, message) = (256 / frames, vec![7; bytes]);
        let mut rates: Vec<(f64, f64)> = (0..RUNS)
            .map(|_| {
                pair.frames = 0;
                let began = Instant::now();
                for _ in 0..WINDOWS {
                    for _ in 0..count {
                        pair.ends[0].send(pair.now, NodeId(1), &message, Delivery::ORDERED).unwrap();
                    }
                    assert_eq!(pair.settle(), count);
                }
                let seconds = began.elapsed().as_secs_f64();
                (f64::from(WINDOWS) * 256.0 / seconds, f64::from(pair.frames) / seconds)
            })
            .collect();
        rates.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (data, all) = rates[RUNS / 2];
        let payload = f64::from(u32::try_from(bytes / frames).unwrap());
        println!("{bytes:13}  {data:13.0}  {all:12.0}  {:4.0}", data * payload / 1e6);
    }
}
