//! A bound on those who are served at once, in all and of one address: a [`Pass`] for each, held as long as it is inside.
//!
//! Where there is no room left, somebody idle goes first: of the address that has the most inside, who has been so longest.
//! Whoever is being served stays.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Of so many passes one more is given to a newcomer while somebody idle is on the way out.
const LEAVING_SHARE: usize = 8;

/// How many are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateBounds {
    /// In all.
    pub all: usize,
    /// From one address; of IPv6, from one network of 64 bits.
    pub per_address: usize,
}

/// Nobody more is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many are inside as may be.
    #[error("{found} are served, {expected} at most")]
    All {
        /// How many there are.
        found: usize,
        /// The bound.
        expected: usize,
    },
    /// As many of this address are inside as may be.
    #[error("{found} of this address are served, {expected} at most")]
    Address {
        /// How many there are.
        found: usize,
        /// The bound.
        expected: usize,
    },
}

/// Somebody inside.
#[derive(Debug)]
struct Seat {
    address: IpAddr,
    /// Its place among the idle ones.
    idle: Option<u64>,
    is_served: bool,
    was_served: bool,
    /// It was told to go.
    is_leaving: bool,
    told: Arc<Notify>,
}

#[derive(Debug)]
struct Inside {
    bounds: GateBounds,
    seats: HashMap<u64, Seat>,
    addresses: HashMap<IpAddr, usize>,
    /// Those that are idle and were not told to go, the longest first.
    idle: BTreeMap<u64, u64>,
    leaving: usize,
    next: u64,
}

impl Inside {
    fn new(bounds: GateBounds) -> Self {
        let (seats, addresses, idle) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { bounds, seats, addresses, idle, leaving: 0, next: 0 }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn of(&self, address: IpAddr) -> usize {
        self.addresses.get(&address).copied().unwrap_or_default()
    }

    /// Tells somebody idle to go: who has been so longest of an address; of that with the most inside where none is named.
    fn dismiss(&mut self, of: Option<IpAddr>) -> bool {
        let mut found: Option<(usize, u64, u64)> = None;
        for (place, id) in &self.idle {
            let Some(seat) = self.seats.get(id).filter(|seat| of.is_none_or(|of| seat.address == of)) else { continue };
            let inside = self.of(seat.address);
            if found.is_none_or(|(most, ..)| inside > most) {
                found = Some((inside, *place, *id));
            }
            if of.is_some() {
                break;
            }
        }
        let Some((_, place, id)) = found else { return false };
        self.idle.remove(&place);
        let Some(seat) = self.seats.get_mut(&id) else { return false };
        (seat.idle, seat.is_leaving) = (None, true);
        seat.told.notify_one();
        self.leaving += 1;
        true
    }
}

/// A bound on those who are served at once.
#[derive(Debug)]
pub struct Gate {
    name: &'static str,
    inside: Mutex<Inside>,
    /// Somebody left.
    left: Notify,
}

/// A place inside, until it is dropped. It is idle at first.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    id: u64,
    told: Arc<Notify>,
}

/// That whoever has the pass is being served: until it is dropped it is not idle.
#[derive(Debug)]
pub struct Serving(Arc<Pass>);

impl Gate {
    /// A gate that is called `name` in metrics.
    pub fn new(name: &'static str, bounds: GateBounds) -> Arc<Self> {
        Arc::new(Self { name, inside: Mutex::new(Inside::new(bounds)), left: Notify::new() })
    }

    /// From now on these are the bounds; whoever is inside stays.
    pub fn set_bounds(&self, bounds: GateBounds) {
        self.lock().bounds = bounds;
    }

    /// Lets somebody in.
    ///
    /// Cost: looks through those who are idle where there is no room left.
    ///
    /// # Errors
    /// [`Full`]; it is counted.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Pass, Full> {
        self.try_enter(address).inspect_err(|_| self.count_refusal())
    }

    /// The same for somebody who may yet wait at the gate: a refusal is not counted.
    ///
    /// # Errors
    /// [`Full`].
    pub fn try_enter(self: &Arc<Self>, address: IpAddr) -> Result<Pass, Full> {
        let address = network_of(address);
        let mut inside = self.lock();
        self.make_room(&mut inside, address)?;
        let (id, place) = (inside.number(), inside.number());
        let told = Arc::new(Notify::new());
        let seat = Seat {
            address,
            idle: Some(place),
            is_served: false,
            was_served: false,
            is_leaving: false,
            told: Arc::clone(&told),
        };
        inside.seats.insert(id, seat);
        inside.idle.insert(place, id);
        *inside.addresses.entry(address).or_default() += 1;
        self.tell(&inside);
        Ok(Pass { gate: Arc::clone(self), id, told })
    }

    /// Lets somebody in as soon as there is room, within `patience`.
    ///
    /// Cancel safety: nobody is let in.
    ///
    /// # Errors
    /// [`Full`]; it is counted.
    pub async fn wait(self: &Arc<Self>, address: IpAddr, patience: Duration) -> Result<Pass, Full> {
        let waiting = async {
            loop {
                // Whoever leaves while this one is asking is noticed.
                let left = self.left.notified();
                if let Ok(pass) = self.try_enter(address) {
                    return pass;
                }
                left.await;
            }
        };
        match timeout(patience, waiting).await {
            Ok(pass) => Ok(pass),
            Err(_) => self.enter(address),
        }
    }

    /// Counts that somebody was not let in.
    pub fn count_refusal(&self) {
        metrics::counter!("rain_refused_total", "gate" => self.name).increment(1);
    }

    /// Has somebody idle go where there is no room. Those on the way out still take room, so there is a bound on them.
    fn make_room(&self, inside: &mut Inside, address: IpAddr) -> Result<(), Full> {
        let GateBounds { all, per_address } = inside.bounds;
        let leaving_max = (all / LEAVING_SHARE).max(1);
        let of_address = inside.of(address);
        let dismissed = if of_address >= per_address {
            inside.leaving < leaving_max && inside.dismiss(Some(address))
        } else if inside.seats.len() - inside.leaving >= all {
            inside.leaving < leaving_max && inside.dismiss(None)
        } else {
            return Ok(());
        };
        if dismissed {
            metrics::counter!("rain_dismissed_total", "gate" => self.name).increment(1);
            Ok(())
        } else if of_address >= per_address {
            Err(Full::Address { found: of_address, expected: per_address })
        } else {
            Err(Full::All { found: inside.seats.len(), expected: all })
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn tell(&self, inside: &Inside) {
        metrics::gauge!("rain_inside", "gate" => self.name).set(inside.seats.len() as f64);
    }
}

impl Pass {
    /// Waits until it is told to go.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn told_to_go(&self) {
        if self.gate.lock().seats.get(&self.id).is_some_and(|seat| seat.is_leaving) {
            return;
        }
        self.told.notified().await;
    }

    /// Whether it is being served.
    pub fn is_served(&self) -> bool {
        self.gate.lock().seats.get(&self.id).is_some_and(|seat| seat.is_served)
    }

    /// Whether it ever was.
    pub fn was_served(&self) -> bool {
        self.gate.lock().seats.get(&self.id).is_some_and(|seat| seat.was_served)
    }

    /// Notes that it is being served.
    pub fn serve(self: &Arc<Self>) -> Serving {
        let mut inside = self.gate.lock();
        let seat = inside.seats.get_mut(&self.id);
        let place = seat.and_then(|seat| {
            (seat.is_served, seat.was_served) = (true, true);
            seat.idle.take()
        });
        if let Some(place) = place {
            inside.idle.remove(&place);
        }
        drop(inside);
        Serving(Arc::clone(self))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut inside = self.0.gate.lock();
        let place = inside.number();
        let Some(seat) = inside.seats.get_mut(&self.0.id) else { return };
        seat.is_served = false;
        if !seat.is_leaving && seat.idle.is_none() {
            seat.idle = Some(place);
            inside.idle.insert(place, self.0.id);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        let Some(seat) = inside.seats.remove(&self.id) else { return };
        if let Some(place) = seat.idle {
            inside.idle.remove(&place);
        }
        inside.leaving -= usize::from(seat.is_leaving);
        if let Some(count) = inside.addresses.get_mut(&seat.address) {
            *count -= 1;
            if *count == 0 {
                inside.addresses.remove(&seat.address);
            }
        }
        self.gate.tell(&inside);
        drop(inside);
        self.gate.left.notify_waiters();
    }
}

/// Whom an address is counted as: of IPv6 one line has a whole network.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const A: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));
    const C: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 3));
    const D: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 4));

    fn gate(all: usize, per_address: usize) -> Arc<Gate> {
        Gate::new("test", GateBounds { all, per_address })
    }

    fn enter(gate: &Arc<Gate>, address: IpAddr) -> Arc<Pass> {
        Arc::new(gate.enter(address).unwrap())
    }

    fn is_told(pass: &Pass) -> bool {
        pass.told_to_go().now_or_never().is_some()
    }

    #[test]
    fn who_is_served_stays_and_beyond_the_bound_nobody_comes_in() {
        let gate = gate(2, 2);
        let (first, second) = (enter(&gate, A), enter(&gate, B));
        let (serving, _second) = (first.serve(), second.serve());
        assert_eq!(gate.enter(B).unwrap_err(), Full::All { found: 2, expected: 2 });
        assert!(!is_told(&first) && !is_told(&second));
        drop(serving);
        drop(first);
        let _third = enter(&gate, B);
    }

    #[test]
    fn bounds_change_for_those_who_come() {
        let gate = gate(1, 1);
        let first = enter(&gate, A);
        let _first = first.serve();
        gate.set_bounds(GateBounds { all: 3, per_address: 2 });
        let second = enter(&gate, A);
        let _second = second.serve();
        assert_eq!(gate.enter(A).unwrap_err(), Full::Address { found: 2, expected: 2 });
        gate.set_bounds(GateBounds { all: 1, per_address: 1 });
        assert_eq!(gate.enter(B).unwrap_err(), Full::All { found: 2, expected: 1 });
        assert!(!is_told(&first) && !is_told(&second));
    }

    #[test]
    fn who_has_been_idle_longest_goes_first() {
        let gate = gate(3, 3);
        let passes = [A, B, C].map(|address| enter(&gate, address));
        // The first one was served since, so the second has been idle longest.
        drop(passes[0].serve());
        let _fourth = enter(&gate, D);
        assert_eq!(passes.each_ref().map(|pass| is_told(pass)), [false, true, false]);
        assert!(is_told(&passes[1]), "it is still to go");
    }

    #[test]
    fn of_those_who_are_idle_one_of_the_address_with_the_most_goes() {
        let gate = gate(4, 4);
        let passes = [B, A, C, A].map(|address| enter(&gate, address));
        drop(passes[1].serve());
        let _fifth = enter(&gate, D);
        assert_eq!(passes.each_ref().map(|pass| is_told(pass)), [false, false, false, true]);
    }

    #[test]
    fn an_address_makes_room_for_itself_alone() {
        let gate = gate(8, 2);
        let other = enter(&gate, B);
        let [first, second] = [A, A].map(|address| enter(&gate, address));
        let _first = first.serve();
        let _third = enter(&gate, A);
        assert_eq!([&other, &first, &second].map(|pass| is_told(pass)), [false, false, true]);
        let _second = second.serve();
        assert_eq!(gate.enter(A).unwrap_err(), Full::Address { found: 3, expected: 2 });
        let _other = enter(&gate, B);
    }

    #[test]
    fn those_on_the_way_out_are_few_and_leave_nothing_behind() {
        let gate = gate(16, 16);
        let mut passes: Vec<_> = (0..16).map(|_| enter(&gate, A)).collect();
        passes.extend([enter(&gate, B), enter(&gate, B)]);
        assert!(gate.enter(B).is_err(), "two of sixteen are on the way out already");
        drop(passes.drain(..2));
        passes.push(enter(&gate, B));
        assert_eq!(passes.iter().filter(|pass| is_told(pass)).count(), 1);
        drop(passes);
        let inside = gate.lock();
        assert!(inside.seats.is_empty() && inside.addresses.is_empty() && inside.idle.is_empty());
        assert_eq!(inside.leaving, 0);
    }

    #[tokio::test]
    async fn who_waits_is_let_in_when_somebody_leaves() {
        let gate = gate(1, 1);
        let first = enter(&gate, A);
        let serving = first.serve();
        let mut waiting = Box::pin(gate.wait(B, Duration::from_hours(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((first, serving));
        let second = Arc::new(waiting.now_or_never().expect("there is room").unwrap());
        let _serving = second.serve();
        assert_eq!(gate.wait(C, Duration::ZERO).await.unwrap_err(), Full::All { found: 1, expected: 1 });
    }

    #[test]
    fn a_network_is_one_address() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1:2:3:4"), of("2001:db8::5"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::1"), "::1".parse::<IpAddr>().unwrap());
    }
}
