//! Streams: a connection to what is seen of a node is carried on to the node itself. A cut closes nothing: what was
//! read waits, and so do the end and the breaking of a stream, until a way leads there again.

use super::tamper::Tampered;
use super::weather::Chances;
use super::{KERNEL_BUFFER_BYTES, Ways};
use crate::demo::addresses::owner;
use crate::demo::network::Flow;
use core::time::Duration;
use futures_util::FutureExt;
use socket2::SockRef;
use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

/// Read at once in fair weather.
const PIECE_BYTES: usize = 256 << 10;
/// Read at once where pieces are delayed or lost one by one: as much as the kernel makes of one segment.
const SMALL_PIECE_BYTES: usize = 64 << 10;
/// Delayed pieces of one stream under way.
const UNDER_WAY_MAX: usize = 64;
/// A connection that one end has closed is given up after so long, as kernels do: the other end may hang for ever.
const HALF_CLOSED: Duration = Duration::from_mins(1);
/// How often a connection that waits for a way is looked at: who called may have given up.
const GIVEN_UP: Duration = Duration::from_millis(250);

/// Carries on what is connected to the cable `to`, until the task is aborted.
pub(super) async fn serve(listener: TcpListener, to: usize, ways: Arc<Ways>) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((near, address)) = accepted else {
            // Out of descriptors, or a connection that broke at once: the next one may do better.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let Some(from) = owner(address.ip()).and_then(|attachment| ways.network.number_of(attachment)) else {
            tracing::warn!(%address, "a connection from outside the demo was refused");
            continue;
        };
        connections.spawn(carry_on(near, from, to, count, Arc::clone(&ways)));
        count += 1;
    }
}

async fn carry_on(near: TcpStream, from: usize, to: usize, count: u64, ways: Arc<Ways>) {
    let (mut there, mut back) = (ways.network.flow(from, to), ways.network.flow(to, from));
    tokio::select! {
        _ = there.passing() => {}
        () = given_up(&near) => return,
    }
    let seen = ways.addresses.seen(ways.network.topology().attachments[from]);
    let weather = ways.weather;
    let chances = |from, to| (!weather.is_fair()).then(|| weather.chances(from, to, count + 1));
    let (mut outward, homeward) = (chances(from, to), chances(to, from));
    let attachments = &ways.network.topology().attachments;
    let astray = outward.as_mut().and_then(|chances| chances.astray(attachments.len()));
    if astray.is_some() {
        ways.tampered.fetch_add(1, Ordering::Relaxed);
    }
    let own = ways.addresses.own(attachments[astray.unwrap_or(to)]);
    let far = match connect(SocketAddr::new(seen.ip(), 0), own).await {
        Ok(far) => far,
        Err(error) => {
            tracing::debug!(%own, %error, "a connection was refused");
            back.passing().await;
            let _ = near.set_zero_linger();
            return;
        }
    };
    let _ = near.set_nodelay(true);
    let mut outward = pin!(carry(&near, &far, there, outward, &ways.tampered));
    let mut homeward = pin!(carry(&far, &near, back, homeward, &ways.tampered));
    let ended = tokio::select! {
        ended = &mut outward => match ended {
            Ok(()) => timeout(HALF_CLOSED, homeward).await.unwrap_or_else(|late| Err(late.into())),
            Err(error) => Err(error),
        },
        ended = &mut homeward => match ended {
            Ok(()) => timeout(HALF_CLOSED, outward).await.unwrap_or_else(|late| Err(late.into())),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%own, %error, "a connection broke");
        // Both ends learn it by a reset.
        let _ = near.set_zero_linger();
        let _ = far.set_zero_linger();
    }
}

/// Returns when the near end has closed its connection.
async fn given_up(near: &TcpStream) {
    let mut tick = interval(GIVEN_UP);
    loop {
        tick.tick().await;
        // Bytes that nobody reads keep it ready: waiting for that would not wait.
        if let Some(Ok(ready)) = near.ready(Interest::READABLE).now_or_never()
            && ready.is_read_closed()
        {
            return;
        }
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let bytes = u32::try_from(KERNEL_BUFFER_BYTES).unwrap_or(u32::MAX);
    socket.set_recv_buffer_size(bytes)?;
    socket.set_send_buffer_size(bytes)?;
    socket.set_nodelay(true)?;
    socket.bind(from)?;
    socket.connect(to).await
}

/// What was read from a stream.
#[derive(Debug)]
enum Content {
    /// Bytes, of which the first were sent.
    Bytes { buffer: Vec<u8>, sent: usize, length: usize },
    /// Its end.
    End,
    /// It broke.
    Break,
}

#[derive(Debug)]
struct Piece {
    due: Option<Instant>,
    content: Content,
}

/// Carries one direction of a connection until its end has been passed on.
///
/// # Errors
/// When either end of it broke, and the other may know.
async fn carry(
    from: &TcpStream,
    to: &TcpStream,
    mut flow: Flow,
    mut chances: Option<Chances>,
    tampered: &AtomicU64,
) -> io::Result<()> {
    let (piece_bytes, under_way_max) =
        if chances.is_some() { (SMALL_PIECE_BYTES, UNDER_WAY_MAX) } else { (PIECE_BYTES, 1) };
    let mut under_way = VecDeque::<Piece>::new();
    let mut spare = Vec::new();
    let mut ended = false;
    loop {
        let may_read = !ended && under_way.len() < under_way_max;
        let front = under_way.front_mut();
        if !may_read && front.is_none() {
            return Ok(());
        }
        tokio::select! {
            biased;
            delivered = deliver(front, to, &mut flow) => {
                delivered?;
                // One that somebody tampered with has another length.
                if let Some(Piece { content: Content::Bytes { buffer, .. }, .. }) = under_way.pop_front()
                    && buffer.len() == piece_bytes
                {
                    spare.push(buffer);
                }
            }
            content = read(from, &mut spare, piece_bytes), if may_read => {
                let due = chances.as_mut().map(|chances| due(chances, &flow, under_way.back()));
                let (content, cut_off) = tamper(content, chances.as_mut(), tampered);
                ended = cut_off || !matches!(content, Content::Bytes { .. });
                under_way.push_back(Piece { due, content });
                if cut_off {
                    under_way.push_back(Piece { due, content: Content::End });
                }
            }
        }
    }
}

/// Tampers with a piece, if chance will have it. Gives whether the stream ends behind it.
fn tamper(content: Content, chances: Option<&mut Chances>, tampered: &AtomicU64) -> (Content, bool) {
    let Content::Bytes { buffer, sent, length } = content else { return (content, false) };
    let Some(tampering) = chances.and_then(Chances::tampering) else {
        return (Content::Bytes { buffer, sent, length }, false);
    };
    tampered.fetch_add(1, Ordering::Relaxed);
    let Tampered { bytes, ends } = tampering.apply(&buffer[..length]);
    let length = bytes.len();
    (Content::Bytes { buffer: bytes, sent: 0, length }, ends)
}

/// When a piece that was read now arrives: never before the one ahead of it.
fn due(chances: &mut Chances, flow: &Flow, ahead: Option<&Piece>) -> Instant {
    // While no way leads there it waits at the first switch.
    let due = Instant::now() + chances.piece(flow.crossed().unwrap_or(1));
    ahead.and_then(|ahead| ahead.due).map_or(due, |ahead| ahead.max(due))
}

/// Reads what there is.
///
/// Cancel safety: nothing is lost.
async fn read(from: &TcpStream, spare: &mut Vec<Vec<u8>>, bytes: usize) -> Content {
    loop {
        if from.readable().await.is_err() {
            return Content::Break;
        }
        let mut buffer = spare.pop().unwrap_or_else(|| vec![0; bytes]);
        match from.try_read(&mut buffer) {
            Ok(0) => return Content::End,
            Ok(length) => return Content::Bytes { buffer, sent: 0, length },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => spare.push(buffer),
            Err(_) => return Content::Break,
        }
    }
}

/// Passes a piece on, once it is due and a way leads there; waits for ever without one.
///
/// Cancel safety: what was passed on is noted in the piece.
async fn deliver(piece: Option<&mut Piece>, to: &TcpStream, flow: &mut Flow) -> io::Result<()> {
    let Some(Piece { due, content }) = piece else { return std::future::pending().await };
    if let Some(due) = due {
        sleep_until(*due).await;
    }
    loop {
        flow.passing().await;
        let passed = match content {
            // Somebody dropped it.
            Content::Bytes { length: 0, .. } => true,
            Content::Bytes { buffer, sent, length } => {
                to.writable().await?;
                match flow.if_passing(|| to.try_write(&buffer[*sent..*length])) {
                    Some(Ok(count)) => {
                        *sent += count;
                        *sent == *length
                    }
                    Some(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => false,
                }
            }
            Content::End => flow.if_passing(|| SockRef::from(to).shutdown(Shutdown::Write)).transpose()?.is_some(),
            Content::Break => return Err(io::ErrorKind::ConnectionReset.into()),
        };
        if passed {
            return Ok(());
        }
    }
}
