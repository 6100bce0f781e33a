//! The configuration register under tokio: one task that hands the node's [`Registrar`] what comes, makes durable what it
//! keeps, and sends what it says.

use super::Node;
use super::membership::check_member;
use super::roster::own_contact;
use crate::peer::{PeerRequest, REGISTER};
use bytes::Bytes;
use core::fmt;
use core::time::Duration;
use futures_util::future::join_all;
use hyper::Method;
use rain_cluster::register::{
    Absence, ChangeError, Configuration, Contact, Founders, Member, Missing, Outcome, Progress, ProposeError,
    RegisterMessage, RegisterQuestion, Registrar, Role, SetCode, Voter,
};
use rain_cluster::{Life, NodeId, Sender, Time};
use rain_config::{Config, NodeKeys};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

/// Messages that wait at most; of more, those that come are lost, and are sent again.
const WAITING_MAX: usize = 256;
/// The state of the store is looked at so often, and what the disk refused is tried again.
const LOOK: Duration = Duration::from_secs(1);
/// A message that is not taken by then is lost.
const PATIENCE: Duration = Duration::from_secs(2);
const HOPE: Duration = Duration::from_millis(30);
/// Whoever is forgotten is told for so long.
const FAREWELL: Duration = Duration::from_millis(300);
/// A change is computed anew so often where another one came first.
const AGAIN_MAX: usize = 5;
/// So many changes wait at most.
const WISHES_MAX: usize = 64;
/// Whoever wants something hears by then that it was not done.
const PATIENCE_OF_ASKER: Duration = Duration::from_secs(30);
/// Messages on their way to one peer at most; of more, those that come are lost.
const UNDER_WAY_MAX: usize = 16;

/// Computes the next configuration from the one that is known.
type Compute = Box<dyn Fn(&Configuration) -> Result<Configuration, ChangeError> + Send>;
type Answer = Result<Arc<Configuration>, RegisterError>;

/// Why a configuration was not changed, or not found out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is none yet.
    #[error("the cluster has no configuration yet: its founder waits for {waits_for}")]
    Unfounded {
        /// Who has not answered, as far as this node knows.
        waits_for: String,
    },
    /// What was wanted makes none.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// It cannot be proposed.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// Too few voters agreed.
    #[error("no majority of the votes: {missing}{}", if *.undecided { "; the change may still come into force" } else { "" })]
    NoMajority {
        /// Who did not agree, and why.
        missing: String,
        /// It may still come into force.
        undecided: bool,
    },
    /// Others changed the configuration, again and again.
    #[error("the configuration was changed by others {AGAIN_MAX} times, each time before this change came into force")]
    Outrun,
    /// Another one is in force, and the change may have been in between.
    #[error("epoch {0} is in force, which is not this change; whether this change was in force before it is not known")]
    Undecided(u64),
    /// It was not done in time.
    #[error("not done within {} s; it may still be", PATIENCE_OF_ASKER.as_secs())]
    Late,
    /// Too many wait.
    #[error("{WISHES_MAX} changes of the configuration wait already")]
    Busy,
    /// The node ends, or its task was begun anew.
    #[error("the node did not get to it")]
    Gone,
}

/// What the register has to do.
enum Work {
    Message {
        from: Sender,
        message: RegisterMessage,
    },
    Epoch(Sender),
    /// A member has told it.
    News(Arc<Configuration>),
    Wish(Wish),
}

/// What somebody at this node wants.
struct Wish {
    /// `None` of a read.
    compute: Option<Compute>,
    tell: oneshot::Sender<Answer>,
    attempts: usize,
}

/// What is known of the configuration at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownConfiguration {
    /// `None` before the cluster was founded, as far as is known here.
    pub configuration: Option<Arc<Configuration>>,
    /// Who has not answered, before it is known.
    pub waits_for: Vec<NodeId>,
    /// While two sets are in force: who must learn yet before the older one goes, as far as is known here.
    pub learning: Vec<NodeId>,
    /// Why what the founder was told makes no configuration.
    pub problem: Option<String>,
}

/// The way to the node's register.
pub(super) struct Register {
    work: mpsc::Sender<Work>,
    /// Whoever drives it has it.
    taken: Mutex<mpsc::Receiver<Work>>,
    known: watch::Sender<KnownConfiguration>,
    /// The durable number of this start of the process.
    start: u64,
    /// What is on its way to each.
    under_way: std::sync::Mutex<BTreeMap<NodeId, Arc<Semaphore>>>,
}

impl fmt::Debug for Register {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Register").field("known", &*self.known.borrow()).finish_non_exhaustive()
    }
}

impl Register {
    /// That of a process with this durable number of its start.
    pub(super) fn new(start: u64) -> Self {
        let (work, taken) = mpsc::channel(WAITING_MAX);
        Self {
            work,
            taken: Mutex::new(taken),
            known: watch::Sender::default(),
            start,
            under_way: std::sync::Mutex::default(),
        }
    }

    /// Room for one message more on its way to a node.
    fn slot(&self, to: NodeId) -> Option<OwnedSemaphorePermit> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = under_way.entry(to).or_insert_with(|| Arc::new(Semaphore::new(UNDER_WAY_MAX)));
        Arc::clone(slots).try_acquire_owned().ok()
    }

    /// Another one at each start of the process and each begin of the task: also where the disk has forgotten some.
    fn incarnation(&self) -> u64 {
        self.start << 32 | u64::from(super::low_half(super::random_u64()))
    }
}

impl Node {
    /// What is known of the configuration, and all that follows.
    pub fn configuration(&self) -> watch::Receiver<KnownConfiguration> {
        self.register.known.subscribe()
    }

    /// Finds out which configuration is in force.
    ///
    /// # Errors
    /// [`RegisterError`].
    ///
    /// Cancel safety: dropping it gives the answer up.
    pub async fn read_configuration(&self) -> Result<Arc<Configuration>, RegisterError> {
        self.wish(None).await
    }

    /// Changes the configuration to what `compute` makes of the one in force; computed anew where somebody else was quicker.
    ///
    /// # Errors
    /// [`RegisterError`].
    ///
    /// Cancel safety: a change that has begun goes on; one that waits is given up.
    pub async fn change_configuration(
        &self,
        compute: impl Fn(&Configuration) -> Result<Configuration, ChangeError> + Send + 'static,
    ) -> Result<Arc<Configuration>, RegisterError> {
        self.wish(Some(Box::new(compute))).await
    }

    async fn wish(&self, compute: Option<Compute>) -> Answer {
        let (tell, told) = oneshot::channel();
        let wish = Wish { compute, tell, attempts: 0 };
        let answer = async {
            self.register.work.send(Work::Wish(wish)).await.map_err(|_| RegisterError::Gone)?;
            told.await.unwrap_or(Err(RegisterError::Gone))
        };
        timeout(PATIENCE_OF_ASKER, answer).await.unwrap_or(Err(RegisterError::Late))
    }

    /// Takes a message of a peer's register.
    pub(super) fn take_register_message(&self, from: Sender, message: RegisterMessage) {
        // One that finds no room is sent again.
        let _ = self.register.work.try_send(Work::Message { from, message });
    }

    /// Takes a configuration that a member has told, as one that is in force.
    pub(super) async fn take_news(&self, known: Configuration) {
        // It is told again.
        let _ = self.register.work.send(Work::News(Arc::new(known))).await;
    }

    /// Takes note of since when a peer knows who keeps titles.
    pub(super) fn hear_since(&self, from: Sender) {
        // Messages come first: what is heard here is heard again with the next question.
        let is_idle = self.register.work.capacity() > WAITING_MAX / 2;
        if is_idle && from.epoch > self.store.members().epoch() {
            let _ = self.register.work.try_send(Work::Epoch(from));
        }
    }

    /// Drives the register until the task is aborted.
    ///
    /// Cancel safety: what was begun may be given up, as in a crash.
    pub(super) async fn keep_register(self: Arc<Self>) {
        let mut taken = self.register.taken.lock().await;
        let mut driver = Driver { wishes: VecDeque::new(), registrar: self.open_register().await, again: None };
        loop {
            driver.look_at_store(&self);
            driver.settle(&self).await;
            if driver.registrar.me().life != self.store.me().life {
                driver.registrar = self.open_register().await;
                continue;
            }
            let due = driver.registrar.poll_timeout().map_or(LOOK, |due| due.since(self.now()));
            match timeout(due.min(LOOK), taken.recv()).await {
                Ok(Some(work)) => driver.take(&self, work),
                Ok(None) => return,
                Err(_) => {}
            }
            // Also where somebody talks all the time.
            driver.registrar.handle_timeout(self.now());
        }
    }

    /// The register of the store's present life.
    async fn open_register(self: &Arc<Self>) -> Registrar {
        let kept = loop {
            match self.blocking(|node| node.store.kept_register()).await {
                Ok(kept) => break kept,
                Err(error) => tracing::error!(%error, "the register cannot be read"),
            }
            sleep(LOOK).await;
        };
        let incarnation = self.register.incarnation();
        let known = kept.configuration.map(Arc::new);
        let mut registrar = Registrar::new(kept.me, kept.record, known, incarnation, super::random_u64());
        if self.config.join.is_none() {
            registrar.found(self.now(), founders(&self.config));
        }
        registrar
    }

    /// Names of nodes, for people.
    pub fn names_of(&self, nodes: impl IntoIterator<Item = NodeId>) -> String {
        let names: BTreeSet<_> = nodes.into_iter().map(|node| self.name_of(node)).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// From now on the members are those of a configuration.
    async fn adopt(self: &Arc<Self>, configuration: Arc<Configuration>) {
        let members = match configuration.members() {
            Ok(members) => Arc::new(members),
            Err(error) => {
                return tracing::error!(%error, epoch = configuration.epoch, "a configuration without members");
            }
        };
        if let Err(error) = check_member(&self.config, &configuration) {
            tracing::error!(%error, "this node was forgotten");
        }
        self.tell_forgotten(&configuration).await;
        self.follow(Some(Arc::clone(&configuration)));
        let adopted = Arc::clone(&members);
        let ended = self.blocking(move |node| {
            node.store.set_members(adopted);
            node.store.end_lives(&configuration.retired)
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "it was not written down whose lives are over");
        }
        self.tell_members(&members);
    }

    /// Tells those whom a configuration does not name any more of it, while they are still spoken with.
    async fn tell_forgotten(&self, configuration: &Arc<Configuration>) {
        let before = self.configuration().borrow().configuration.clone();
        let is_named = |node| configuration.sets().any(|set| set.member(node).is_some());
        let were = before.iter().flat_map(|before| before.sets()).flat_map(|set| &set.members);
        let gone = were.map(|member| member.voter.node).filter(|node| !is_named(*node) && *node != self.config.id);
        let gone: BTreeSet<_> = gone.filter(|node| self.peers.paths.is_up(*node) == Some(true)).collect();
        let learned = RegisterMessage::Question(RegisterQuestion::Learned(Arc::clone(configuration)));
        let body = Bytes::from(learned.to_bytes());
        let tell = |node| {
            let (path, body) = (REGISTER.to_owned(), body.clone());
            let request = PeerRequest { method: Method::POST, path, body, patience: FAREWELL, hope: None };
            self.peers.ask(node, request)
        };
        // Others may tell it, and it hears it from those who do not know it any more.
        let _ = timeout(FAREWELL, join_all(gone.into_iter().map(tell))).await;
    }

    fn send_register_message(self: &Arc<Self>, to: NodeId, message: &RegisterMessage) {
        let Some(slot) = self.register.slot(to) else { return };
        let (node, body) = (Arc::clone(self), Bytes::from(message.to_bytes()));
        self.desks.spawn("register", async move {
            let _slot = slot;
            let path = REGISTER.to_owned();
            let request = PeerRequest { method: Method::POST, path, body, patience: PATIENCE, hope: Some(HOPE) };
            if let Err(error) = node.peers.ask(to, request).await {
                tracing::debug!(%error, "a message of the register is lost");
            }
        });
    }

    /// Who did not agree, for people.
    fn absent(&self, missing: &[Missing]) -> String {
        if missing.is_empty() {
            return "others proposed all the time".to_owned();
        }
        let of = |Missing { voter, absence }: &Missing| {
            let name = self.name_of(voter.node);
            match absence {
                Absence::Silent => format!("{name} does not answer"),
                Absence::Retired => format!("{name} is in a life that the change ends"),
                Absence::Life(life) if *life == voter.life => format!("{name} has forgotten what it promised"),
                Absence::Life(_) => format!("{name} has begun another life: `rain cluster replace {name}`"),
            }
        };
        missing.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// The cluster to be, as this node's file describes it.
fn founders(config: &Config) -> Founders {
    let member = |member: &rain_config::Member| {
        let keys = &config.reloadable.keys;
        let contact = if member.id == config.id { own_contact(config, keys) } else { contact_of(member, keys) };
        Member {
            voter: Voter { node: member.id, life: Life(0) },
            contact,
            role: Role::Active,
            weight: 0,
            witness: false,
            rack: String::new(),
            room: String::new(),
        }
    };
    let [columns, catalog] = [config.code.columns(), config.cluster.quorum().catalog()].map(u8::try_from);
    Founders {
        members: config.members.iter().map(member).collect(),
        code: SetCode { name: config.code.name().to_owned(), columns: columns.unwrap_or(u8::MAX) },
        catalog: catalog.unwrap_or(u8::MAX),
    }
}

/// How a peer is reached, as this node's file says.
fn contact_of(member: &rain_config::Member, keys: &NodeKeys) -> Contact {
    let addresses = member.addresses.iter().map(|(switch, address)| format!("{switch}={address}"));
    let keys: BTreeSet<_> = keys.peers.iter().filter(|(_, node)| **node == member.id).map(|(key, _)| *key).collect();
    Contact {
        name: member.name.clone(),
        http: member.http.clone(),
        addresses: addresses.collect(),
        keys: keys.into_iter().map(|key| key.bytes()).collect(),
    }
}

/// The register, and who waits for it.
struct Driver {
    registrar: Registrar,
    /// The first one is under way where the registrar is at work for it.
    wishes: VecDeque<Wish>,
    /// The disk has refused something: it is tried again then.
    again: Option<Time>,
}

impl Driver {
    fn look_at_store(&mut self, node: &Node) {
        let goes_by = node.store.members().epoch();
        self.registrar.set_progress(Progress { goes_by, has_learnt: node.store.has_learnt(goes_by) });
        if node.store.is_sure() {
            self.registrar.set_sure(node.now());
        }
    }

    fn take(&mut self, node: &Arc<Node>, work: Work) {
        let now = node.now();
        match work {
            // Its life may have ended while it waited here.
            Work::Message { from, .. } | Work::Epoch(from) if node.store.life_of(from.node) != Some(from.life) => {}
            Work::Message { from, message } => {
                self.registrar.hear_since(now, from.node, from.epoch);
                self.registrar.handle_message(now, from.node, message);
            }
            Work::Epoch(from) => self.registrar.hear_since(now, from.node, from.epoch),
            Work::News(known) => {
                let learned = RegisterMessage::Question(RegisterQuestion::Learned(known));
                self.registrar.handle_message(now, node.config.id, learned);
            }
            Work::Wish(wish) if self.wishes.len() >= WISHES_MAX => drop(wish.tell.send(Err(RegisterError::Busy))),
            Work::Wish(wish) => self.wishes.push_back(wish),
        }
    }

    /// Does all that there is to do now.
    async fn settle(&mut self, node: &Arc<Node>) {
        loop {
            self.begin_wishes(node);
            self.again.take_if(|again| node.now() >= *again);
            while self.again.is_none()
                && let Some(save) = self.registrar.poll_save()
            {
                let (me, save) = (self.registrar.me(), Arc::new(save));
                let kept = {
                    let save = Arc::clone(&save);
                    node.blocking(move |node| node.store.keep_register(me, &save)).await
                };
                if let Err(error) = &kept {
                    tracing::error!(%error, "the register cannot be written");
                }
                // What the disk refuses is not asked for at once again.
                self.again = kept.is_err().then(|| node.now() + LOOK);
                self.registrar.handle_saved(node.now(), &save, kept.is_ok());
            }
            // Before anything is said: whoever says that it knows a configuration goes by it.
            self.publish(node).await;
            while let Some((to, message)) = self.registrar.poll_transmit() {
                node.send_register_message(to, &message);
            }
            match self.registrar.poll_outcome() {
                Some(outcome) => self.conclude(node, outcome),
                None => return,
            }
        }
    }

    /// Begins what is wanted, one after the other.
    fn begin_wishes(&mut self, node: &Node) {
        if !self.registrar.is_busy() {
            // Whoever does not wait any more does not want it any more.
            self.wishes.retain(|wish| !wish.tell.is_closed());
        }
        while !self.registrar.is_busy()
            && let Some(wish) = self.wishes.front_mut()
        {
            wish.attempts += 1;
            match begin(&mut self.registrar, node, wish) {
                Ok(()) => return,
                // Somebody is ending that, or nobody can.
                Err(RegisterError::Change(ChangeError::Joint(_))) if self.registrar.is_tending() => return,
                Err(error) => self.answer(Err(error)),
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(wish) = self.wishes.pop_front() {
            // Whoever does not wait any more has no use for it.
            let _ = wish.tell.send(answer);
        }
    }

    fn conclude(&mut self, node: &Node, outcome: Outcome) {
        let attempts = self.wishes.front().map_or(0, |wish| wish.attempts);
        match outcome {
            Outcome::Done(found) => self.answer(Ok(found)),
            Outcome::GaveUp { missing, undecided } => {
                self.answer(Err(RegisterError::NoMajority { missing: node.absent(&missing), undecided }));
            }
            Outcome::Superseded { by, undecided: true } => self.answer(Err(RegisterError::Undecided(by.epoch))),
            // Computed anew, from what came first.
            Outcome::Superseded { .. } if attempts < AGAIN_MAX => {}
            Outcome::Superseded { .. } => self.answer(Err(RegisterError::Outrun)),
        }
    }

    /// Tells what is known.
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    async fn publish(&mut self, node: &Arc<Node>) {
        let (registrar, known) = (&self.registrar, &node.register.known);
        let now = KnownConfiguration {
            configuration: registrar.known().cloned(),
            waits_for: registrar.awaited(),
            learning: registrar.learning(),
            problem: registrar.founding_error().map(ToString::to_string),
        };
        if *known.borrow() == now {
            return;
        }
        let is_news = known.borrow().configuration != now.configuration;
        if let Some(configuration) = now.configuration.clone().filter(|_| is_news) {
            node.adopt(configuration).await;
        }
        metrics::gauge!("rain_configuration_epoch").set(registrar.epoch() as f64);
        let is_joint = now.configuration.as_ref().is_some_and(|known| known.old.is_some());
        metrics::gauge!("rain_configuration_joint").set(f64::from(u8::from(is_joint)));
        known.send_replace(now);
    }
}

fn begin(registrar: &mut Registrar, node: &Node, wish: &Wish) -> Result<(), RegisterError> {
    let Some(known) = registrar.known() else {
        return Err(RegisterError::Unfounded { waits_for: node.names_of(registrar.awaited()) });
    };
    match &wish.compute {
        Some(compute) => {
            let value = compute(known)?;
            Ok(registrar.change(node.now(), value)?)
        }
        None => Ok(registrar.read(node.now())?),
    }
}
