//! The network between the nodes of a demo, seen from its ends: tests take the addresses of nodes that were cut, and
//! speak over them as nodes would.

use crate::harness::{Demo, PATIENCE, assert_same, get, post, put, random_below, sample, wait_for, wait_until};
use serde_json::json;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// Nothing that is under way takes longer, on a busy machine either.
const SOON: Duration = Duration::from_secs(5);
/// Long enough to see that something does not come.
const WHILE: Duration = Duration::from_millis(150);

/// A demo whose nodes C and D are dead: the test is both.
struct Ends {
    demo: Demo,
}

impl Ends {
    fn of(arguments: &[&str]) -> Self {
        let ends = Self { demo: Demo::start(arguments) };
        ends.fault("node", "C", "cut");
        ends.fault("node", "D", "cut");
        ends
    }

    #[track_caller]
    fn fault(&self, kind: &str, name: &str, action: &str) {
        let body = json!({ "kind": kind, "name": name, "action": action }).to_string();
        let request = post("/api/v1/faults", body).header("content-type", "application/json");
        request.to(self.demo.supervisor()).expect(200);
    }

    /// A node's own address on a switch, both counted from 1.
    fn own(&self, node: u8, switch: u8) -> SocketAddr {
        SocketAddr::from(([127, switch, node, 1], self.demo.port(0)))
    }

    /// What the others see of it.
    fn seen(&self, node: u8, switch: u8) -> SocketAddr {
        SocketAddr::from(([127, switch, node, 2], self.demo.port(0)))
    }

    /// A connection from C to D over the first switch, as both have it.
    fn connection(&self) -> (TcpStream, TcpStream) {
        let listener = socket();
        listener.set_reuse_address(true).expect("a socket");
        listener.bind(&self.own(4, 1).into()).expect("the address of a dead node");
        listener.listen(1).expect("a listener");
        let listener = TcpListener::from(listener);
        let from_c = self.call();
        let at_d = wait_for("the call", PATIENCE, || self.accept(&listener));
        for stream in [&from_c, &at_d] {
            stream.set_nodelay(true).expect("an open connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("an open connection");
        }
        (from_c, at_d)
    }

    /// The next connection, if it is from C as D sees it: the living nodes call as well.
    fn accept(&self, listener: &TcpListener) -> Option<TcpStream> {
        let (at_d, from) = listener.accept().ok()?;
        at_d.set_nonblocking(false).expect("an open connection");
        (from.ip() == self.seen(3, 1).ip()).then_some(at_d)
    }

    fn call(&self) -> TcpStream {
        let socket = socket();
        socket.bind(&SocketAddr::new(self.own(3, 1).ip(), 0).into()).expect("the address of a dead node");
        socket.connect(&self.seen(4, 1).into()).expect("what is seen of D");
        socket.into()
    }
}

/// A socket that keeps little of what comes: what was read tells how much has passed the network.
fn socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a socket");
    socket
}

/// Byte `position` of what one end tells the other.
fn byte_at(position: u64, salt: u64) -> u8 {
    ((position ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Tells the other end until told to stop, and closes; returns how many bytes.
fn tell(mut stream: &TcpStream, salt: u64, stop: &AtomicBool) -> u64 {
    let mut told = 0;
    while !stop.load(Ordering::Relaxed) {
        let length = 1 + random_below(200_000, told);
        let bytes: Vec<_> = (told..told + length).map(|position| byte_at(position, salt)).collect();
        stream.write_all(&bytes).expect("a connection that nothing breaks");
        told += length;
    }
    stream.shutdown(Shutdown::Write).expect("a connection that nothing breaks");
    told
}

/// Hears the other end until it closes; checks every byte.
fn hear(mut stream: &TcpStream, salt: u64, heard: &AtomicU64) {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = stream.read(&mut buffer).expect("a connection that nothing breaks");
        if length == 0 {
            return;
        }
        let start = heard.load(Ordering::Relaxed);
        for (position, byte) in (start..).zip(&buffer[..length]) {
            assert_eq!(*byte, byte_at(position, salt), "byte {position}");
        }
        heard.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Lets both ends tell and hear while `meanwhile` runs; returns how much went there and back.
fn converse(from_c: &TcpStream, at_d: &TcpStream, meanwhile: impl FnOnce(&[AtomicU64; 2])) -> [u64; 2] {
    let (stop, heard) = (AtomicBool::new(false), [AtomicU64::new(0), AtomicU64::new(0)]);
    let told = thread::scope(|scope| {
        let telling = [scope.spawn(|| tell(from_c, 1, &stop)), scope.spawn(|| tell(at_d, 2, &stop))];
        let hearing = [scope.spawn(|| hear(at_d, 1, &heard[0])), scope.spawn(|| hear(from_c, 2, &heard[1]))];
        let ended = catch_unwind(AssertUnwindSafe(|| meanwhile(&heard)));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            // The others would wait for ever.
            for stream in [from_c, at_d] {
                let _ = stream.shutdown(Shutdown::Both);
            }
            resume_unwind(panic);
        }
        for hearing in hearing {
            hearing.join().expect("every byte");
        }
        telling.map(|telling| telling.join().expect("every byte"))
    });
    assert_eq!(heard.map(AtomicU64::into_inner), told, "nothing was lost, nothing came twice");
    told
}

#[test]
fn a_stream_that_is_cut_and_healed_many_times_loses_and_repeats_nothing() {
    let ends = Ends::of(&[]);
    let (from_c, at_d) = ends.connection();
    let told = converse(&from_c, &at_d, |heard| {
        let count = || heard.each_ref().map(|heard| heard.load(Ordering::Relaxed));
        for turn in 0..30 {
            let (kind, name) = [("switch", "s1"), ("link", "C-s1"), ("link", "D-s1")][turn % 3];
            let before = count();
            wait_until("bytes in both directions", SOON, || {
                count().iter().zip(before).all(|(now, before)| *now > before + 4 * MIB)
            });
            ends.fault(kind, name, "cut");
            let cut = count();
            sleep(Duration::from_millis(random_below(100, turn as u64)));
            for (now, cut) in count().into_iter().zip(cut) {
                assert!(now - cut < 2 * MIB, "{} bytes after {name} was cut", now - cut);
            }
            ends.fault("switch", "s2", "cut");
            ends.fault("switch", "s2", "heal");
            ends.fault(kind, name, "heal");
        }
    });
    println!("{told:?} bytes");
}

#[test]
fn the_end_of_a_stream_and_its_breaking_wait_for_the_healing() {
    let ends = Ends::of(&[]);
    for breaks in [false, true] {
        let (mut from_c, mut at_d) = ends.connection();
        at_d.write_all(b"before").expect("an open connection");
        let mut found = [0; 6];
        from_c.read_exact(&mut found).expect("what was sent");
        ends.fault("switch", "s1", "cut");
        if breaks {
            SockRef::from(&at_d).set_linger(Some(Duration::ZERO)).expect("an open connection");
        } else {
            at_d.write_all(b"after!").expect("an open connection");
        }
        drop(at_d);
        from_c.set_read_timeout(Some(WHILE)).expect("an open connection");
        let nothing = from_c.read(&mut found).expect_err("nothing passes a switch that is cut");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        ends.fault("switch", "s1", "heal");
        from_c.set_read_timeout(Some(SOON)).expect("an open connection");
        if breaks {
            assert_eq!(from_c.read(&mut found).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
        } else {
            from_c.read_exact(&mut found).expect("what was sent");
            assert_eq!((&found, from_c.read(&mut [0]).expect("the end")), (b"after!", 0));
        }
    }
}

#[test]
fn nobody_there_is_told_by_a_reset_and_during_a_cut_by_nothing() {
    let ends = Ends::of(&[]);
    let mut refused = ends.call();
    refused.set_read_timeout(Some(SOON)).expect("an open connection");
    assert_eq!(refused.read(&mut [0]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    ends.fault("link", "D-s1", "cut");
    let listener = TcpListener::bind(ends.own(4, 1)).expect("the address of a dead node");
    listener.set_nonblocking(true).expect("a listener");
    let mut waiting = ends.call();
    waiting.write_all(b"hello").expect("a connection that waits");
    waiting.set_read_timeout(Some(WHILE)).expect("a connection that waits");
    assert_eq!(waiting.read(&mut [0]).expect_err("nothing").kind(), ErrorKind::WouldBlock);
    assert_eq!(listener.accept().expect_err("nobody calls").kind(), ErrorKind::WouldBlock);
    // One that gives up while it waits never arrives.
    drop(ends.call());
    sleep(Duration::from_millis(600));
    ends.fault("link", "D-s1", "heal");
    let mut at_d = wait_for("the call", SOON, || ends.accept(&listener));
    at_d.set_read_timeout(Some(SOON)).expect("an open connection");
    let mut found = [0; 5];
    at_d.read_exact(&mut found).expect("what waited");
    assert_eq!(&found, b"hello");
    let until = Instant::now() + WHILE;
    while Instant::now() < until {
        assert!(ends.accept(&listener).is_none(), "the other gave up");
        sleep(Duration::from_millis(5));
    }
}

/// The next datagram that is no heartbeat of the nodes that live.
fn datagram_from(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 2048];
    let patience = socket.read_timeout().expect("a socket").unwrap_or(SOON);
    let until = Instant::now() + patience;
    while Instant::now() < until {
        match socket.recv_from(&mut buffer) {
            Ok((80, _)) if buffer.starts_with(b"RN") => {}
            Ok((length, from)) => return Some((buffer[..length].to_vec(), from)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        }
    }
    None
}

fn udp(address: SocketAddr, patience: Duration) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("the address of a dead node");
    socket.set_read_timeout(Some(patience)).expect("a socket");
    socket
}

#[test]
fn datagrams_come_from_the_senders_seen_address_and_are_dropped_by_a_cut() {
    let ends = Ends::of(&[]);
    for switch in [1, 2] {
        let (sender, receiver) = (udp(ends.own(3, switch), SOON), udp(ends.own(4, switch), SOON));
        let name = format!("s{switch}");
        sender.send_to(b"one", ends.seen(4, switch)).expect("a datagram");
        assert_eq!(datagram_from(&receiver), Some((b"one".to_vec(), ends.seen(3, switch))));
        receiver.send_to(b"two", ends.seen(3, switch)).expect("a datagram");
        assert_eq!(datagram_from(&sender), Some((b"two".to_vec(), ends.seen(4, switch))));
        for (kind, name) in [("switch", name.clone()), ("link", format!("C-{name}")), ("link", format!("D-{name}"))] {
            ends.fault(kind, &name, "cut");
            sender.send_to(b"lost", ends.seen(4, switch)).expect("a datagram");
            receiver.set_read_timeout(Some(WHILE)).expect("a socket");
            assert_eq!(datagram_from(&receiver), None, "{name} is cut");
            ends.fault(kind, &name, "heal");
            assert_eq!(datagram_from(&receiver), None, "what was dropped never comes");
            receiver.set_read_timeout(Some(SOON)).expect("a socket");
            sender.send_to(b"three", ends.seen(4, switch)).expect("a datagram");
            assert_eq!(datagram_from(&receiver), Some((b"three".to_vec(), ends.seen(3, switch))));
        }
    }
    // From an address that is no node's.
    let (stranger, receiver) = (udp(SocketAddr::from(([127, 0, 0, 1], 0)), SOON), udp(ends.own(4, 1), WHILE));
    stranger.send_to(b"hello", ends.seen(4, 1)).expect("a datagram");
    assert_eq!(datagram_from(&receiver), None);
}

/// Round trips of 520 ms: longer than a reader waited for a first byte.
#[test]
fn nodes_that_are_far_away_are_waited_for() {
    let demo = Demo::start(&["--delay", "260"]);
    put("/v/far", *b"far away").to(demo.port(0)).expect(201);
    for node in 0..4 {
        assert_eq!(get("/v/far").to(demo.port(node)).expect(200).body, b"far away", "from {node}");
        assert_same(&get("/v/sample.mp4").to(demo.port(node)).expect(200).body, &sample(), "the sample");
    }
}

#[test]
fn delay_loss_and_reordering_are_as_asked_for_and_streams_keep_their_order() {
    let ends = Ends::of(&["--delay", "25", "--loss", "5", "--reorder", "10", "--seed", "3"]);
    let (sender, receiver) = (udp(ends.own(3, 1), SOON), udp(ends.own(4, 1), Duration::from_millis(500)));
    let count = 1000_u16;
    let arrived = thread::scope(|scope| {
        let arriving = scope.spawn(|| {
            let mut arrived = Vec::new();
            while let Some((bytes, _)) = datagram_from(&receiver) {
                let number = u16::from_le_bytes(bytes.try_into().expect("a number"));
                arrived.push((number, Instant::now()));
            }
            arrived
        });
        let mut sent = Vec::new();
        for number in 0..count {
            sent.push(Instant::now());
            sender.send_to(&number.to_le_bytes(), ends.seen(4, 1)).expect("a datagram");
            sleep(Duration::from_millis(1));
        }
        let arrived = arriving.join().expect("numbers");
        for (number, at) in &arrived {
            assert!(*at - sent[usize::from(*number)] >= Duration::from_millis(25), "datagram {number} came too soon");
        }
        arrived
    });
    let lost = usize::from(count) - arrived.len();
    assert!((15..100).contains(&lost), "{lost} of {count} lost, 50 expected");
    let overtaken = arrived.windows(2).filter(|pair| pair[0].0 > pair[1].0).count();
    assert!((40..200).contains(&overtaken), "{overtaken} of {count} overtaken, 100 held back");

    let (mut from_c, mut at_d) = ends.connection();
    let mut times = Vec::new();
    let is_lost = |time: &Duration| *time >= Duration::from_millis(225);
    // Of 60 bytes in a row none may be lost, at 5 %; of 400 one is.
    while times.len() < 60 || (times.len() < 400 && !times.iter().any(is_lost)) {
        let start = Instant::now();
        from_c.write_all(b"x").expect("an open connection");
        at_d.read_exact(&mut [0]).expect("a byte");
        times.push(start.elapsed());
    }
    assert!(times.iter().all(|time| *time >= Duration::from_millis(25)), "{times:?}");
    assert!(times.iter().any(is_lost), "a retransmission in {times:?}");
    times.sort_unstable();
    assert!(times[times.len() / 2] < Duration::from_millis(200), "{times:?}");
    converse(&from_c, &at_d, |_| sleep(Duration::from_secs(2)));
}
