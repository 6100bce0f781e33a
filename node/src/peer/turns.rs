//! Waiting until a port has room for a request.

use super::paths::{Outstanding, Paths};
use rain_cluster::NodeId;
use rain_fetch::{Destination, TurnTicket};
use tokio::sync::oneshot;

/// A request for rows of a column that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct TurnRequest<'a> {
    /// To whom.
    pub to: NodeId,
    /// Paths that it does not take.
    pub without: &'a [usize],
    /// Bytes of the answer.
    pub bytes: u64,
    /// A viewer waits for it more than for others.
    pub urgent: bool,
}

/// A place in the queue; given up when dropped.
struct Waiter<'a> {
    paths: &'a Paths,
    request: TurnRequest<'a>,
    ticket: TurnTicket,
    told: oneshot::Receiver<Option<usize>>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut queue = self.paths.queue();
        if queue.leave(&self.ticket) {
            self.paths.advance(&mut queue);
        }
        // It was told a path, and did not hear it.
        let unheard = self.told.try_recv().ok().flatten();
        drop(queue);
        drop(unheard.map(|path| self.paths.outstanding(self.request.to, path, self.request.bytes)));
    }
}

impl Paths {
    /// Waits until a path has room for a request, and takes it; `None` when no path is left.
    ///
    /// Cancel safety: dropping it gives the place up.
    pub async fn take_turn(&self, request: TurnRequest<'_>) -> Option<(usize, Outstanding<'_>)> {
        let mut waiter = {
            let TurnRequest { to, without, bytes, urgent } = request;
            let mut queue = self.queue();
            let (ticket, told) = queue.join(Destination { to, without: without.to_vec() }, bytes, urgent);
            self.advance(&mut queue);
            Waiter { paths: self, request, ticket, told }
        };
        let path = (&mut waiter.told).await.ok().flatten()?;
        Some((path, self.outstanding(request.to, path, request.bytes)))
    }
}
