//! `GET` and `POST /api/v1/configuration`: who belongs to the cluster, and its changes (docs/operating.md, members).

use super::body::read_small;
use super::caller::{Caller, Demand};
use super::note::Note;
use super::reply::json;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody};
use core::fmt::Display;
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, StatusCode};
use rain_cluster::NodeId;
use rain_cluster::register::{ChangeError, Configuration, ConfigurationError, Member, MemberSet, Role, SetCode};
use rain_codec::Code;
use rain_node::{KnownConfiguration, Node, RegisterError};
use rain_session::PublicKey;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::time::{Instant, timeout, timeout_at};

const PATH: &str = "/api/v1/configuration";
/// Whoever asked for a change waits so long for the end of another one, and so long for that of his own, where others have to
/// learn of it: together less than clients wait for an answer.
const LEARNT: Duration = Duration::from_secs(4);
/// A change is told in less.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The configuration, as `GET /api/v1/configuration` tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigurationReport {
    /// It grows with each change; 0 where none is known yet.
    pub epoch: u64,
    /// The code of new titles.
    pub code: String,
    /// Catalog nodes of a title.
    pub catalog: u8,
    /// The members, by name.
    pub members: Vec<MemberReport>,
    /// Two sets are in force: the members of the one that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Vec<MemberReport>>,
    /// While two sets are in force: who must learn yet before the older one goes, as far as the answering node knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning: Vec<String>,
    /// Without any one of these no majority of the votes is left.
    pub must_live: Vec<String>,
    /// Lives that are over for good.
    pub retired: usize,
    /// Who has not answered, before a configuration is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Why what the founder was told makes no configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The node that answers.
    pub observer: String,
}

/// A member, as `GET /api/v1/configuration` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// What it is called.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The life of its store that is a member.
    pub life: String,
    /// The life in which the answering node heard of it last, where it is another one: it has no vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives_in: Option<String>,
    /// `learner`, `active` or `draining`.
    pub role: String,
    /// Its votes, with the one that breaks ties.
    pub votes: u32,
    /// It votes, and keeps nothing.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub witness: bool,
    /// Of one that is drained: so many columns have not moved yet, where it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<u64>,
    /// The rack it stands in; empty where that is not known.
    pub rack: String,
    /// The room.
    pub room: String,
    /// Where players reach it.
    pub http: String,
    /// Where peers reach it.
    pub addresses: Vec<String>,
    /// The public keys by which they know it.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// The body of `POST /api/v1/configuration`. Nodes are called by their names or ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase", deny_unknown_fields)]
pub enum ConfigurationChange {
    /// Says what a member shares a rack and a room with; what is not said stays.
    Label {
        /// The member.
        node: String,
        /// The rack.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rack: Option<String>,
        /// The room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    },
    /// Gives a member so many votes.
    Weight {
        /// The member.
        node: String,
        /// Its votes.
        votes: u8,
    },
    /// Puts the life in which a member is now in the place of the one that is a member: after its disk was replaced.
    Replace {
        /// The member.
        node: String,
    },
    /// Has a member that learnt hold what the others hold.
    Add {
        /// The member.
        node: String,
        /// Its votes; one, as long as there are not too many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        votes: Option<u8>,
    },
    /// Chooses a member for nothing new.
    Drain {
        /// The member.
        node: String,
    },
    /// Takes a member out for good that is drained or lost.
    Forget {
        /// The member.
        node: String,
    },
    /// Makes another code that of new titles.
    Code {
        /// Its name.
        code: String,
    },
    /// Goes on without a majority: without members that are lost for good.
    Force {
        /// The members.
        lost: Vec<String>,
        /// Another code of new titles, where too few are left for the one there is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Has the others know a member also by another key, which it will use.
    Key {
        /// The member.
        node: String,
        /// The public key.
        key: String,
    },
    /// Takes back a change that is half-way.
    Abort,
}

fn bad(message: impl Display) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad-change", message.to_string())
}

fn unfit(message: impl Display) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit-change", message.to_string())
}

/// The room of the configuration.
pub(super) struct ConfigurationRoom(pub(super) Arc<Node>);

impl Room for ConfigurationRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        path == PATH && (is_read(method) || *method == Method::POST)
    }

    fn demand(&self, method: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(if is_read(method) { Demand::Nothing } else { Demand::Operate })
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            if is_read(request.method()) {
                let known = self.0.configuration().borrow().clone();
                let mut report = report(&self.0, &known);
                count_columns(&self.0, &mut report).await;
                return Ok(json(&report));
            }
            let body = read_small(request.into_body(), BODY_BYTES_MAX).await.map_err(bad)?;
            let change: ConfigurationChange = serde_json::from_slice(&body).map_err(bad)?;
            let changed = carry_out(&self.0, &change).await?;
            let words = format!("{}: epoch {}", change.words(), changed.epoch);
            let known = KnownConfiguration { configuration: Some(changed), ..self.0.configuration().borrow().clone() };
            let mut response = json(&report(&self.0, &known));
            response.extensions_mut().insert(Note(words));
            Ok(response)
        }
        .boxed()
    }
}

impl ConfigurationChange {
    fn words(&self) -> String {
        match self {
            Self::Label { node, .. } => format!("labels of {node}"),
            Self::Weight { node, votes } => format!("{votes} votes for {node}"),
            Self::Replace { node } => format!("the life of {node}"),
            Self::Add { node, .. } => format!("{node} added"),
            Self::Drain { node } => format!("{node} drained"),
            Self::Forget { node } => format!("{node} forgotten"),
            Self::Code { code } => format!("new titles as {code}"),
            Self::Force { lost, .. } => format!("forced without {}", lost.join(", ")),
            Self::Key { node, .. } => format!("another key of {node}"),
            Self::Abort => "a change taken back".to_owned(),
        }
    }
}

/// Makes a change; behind another one, where that ends soon.
async fn carry_out(node: &Arc<Node>, change: &ConfigurationChange) -> Result<Arc<Configuration>, ApiError> {
    let until = Instant::now() + LEARNT;
    loop {
        let changed = match attempt(node, change).await {
            Err(Unchanged::Changing(error)) => Err(error),
            Err(Unchanged::Refused(error)) => return Err(error),
            Ok(changed) => return Ok(ended(node, changed).await),
        };
        let mut known = node.configuration();
        let is_single = |known: &KnownConfiguration| known.configuration.as_ref().is_some_and(|it| it.old.is_none());
        if Instant::now() > until || timeout_at(until, known.wait_for(is_single)).await.is_err() {
            return changed;
        }
    }
}

/// Why a change was not made.
enum Unchanged {
    /// Another one is half-way.
    Changing(ApiError),
    Refused(ApiError),
}

impl From<ApiError> for Unchanged {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

async fn attempt(node: &Arc<Node>, change: &ConfigurationChange) -> Result<Arc<Configuration>, Unchanged> {
    let member = |name: &String| find(node, name);
    let changed = match change.clone() {
        ConfigurationChange::Label { node: name, rack, room } => {
            let id = member(&name)?;
            let label = move |known: &Configuration| {
                let found = known.new.member(id).ok_or(ChangeError::Unknown(id))?;
                let (rack, room) = (rack.as_ref().unwrap_or(&found.rack), room.as_ref().unwrap_or(&found.room));
                known.label(id, rack.clone(), room.clone())
            };
            node.change_configuration(label).await
        }
        ConfigurationChange::Weight { node: name, votes } => {
            let id = member(&name)?;
            node.change_configuration(move |known| known.weight(id, votes)).await
        }
        ConfigurationChange::Replace { node: name } => {
            let id = member(&name)?;
            let life = node.store.life_of(id).ok_or_else(|| unfit(format!("{name} was not heard of yet")))?;
            let known = node.read_configuration().await.map_err(|error| told(&error))?;
            if known.new.member(id).is_some_and(|member| member.voter.life == life) {
                let why = format!("{name} is in life {life}, which is a member: there is nothing to replace");
                return Err(unfit(why).into());
            }
            node.change_configuration(move |known| known.replace(id, life)).await
        }
        ConfigurationChange::Add { node: name, votes } => {
            let id = member(&name)?;
            node.change_configuration(move |known| known.promote(id, votes)).await
        }
        ConfigurationChange::Drain { node: name } => {
            let id = member(&name)?;
            node.change_configuration(move |known| known.drain(id)).await
        }
        ConfigurationChange::Forget { node: name } => {
            let id = member(&name)?;
            if id == node.config.id {
                return Err(unfit(format!("{name} is the node that is asked: ask another one")).into());
            }
            // Of one that does not answer nothing can be had any more.
            if let Some(columns) = node.columns_held(id).await.filter(|columns| *columns > 0) {
                let message = format!(
                    "{name} holds {columns} columns still, expected none: drain it, and wait until they have moved; or stop it for good"
                );
                return Err(unfit(message).into());
            }
            node.change_configuration(move |known| known.forget(id)).await
        }
        ConfigurationChange::Code { code } => {
            let code = code_named(&code)?;
            node.change_configuration(move |known| known.code(code.clone())).await
        }
        ConfigurationChange::Force { lost, code } => {
            let ids = lost.iter().map(member).collect::<Result<Vec<_>, _>>()?;
            let code = code.map(|code| code_named(&code)).transpose()?;
            let force = move |known: &Configuration| {
                let members = known.sets().flat_map(|set| &set.members).map(|member| member.voter);
                let lost: Vec<_> = members.filter(|voter| ids.contains(&voter.node)).collect();
                known.force(&lost, code.clone())
            };
            match node.change_configuration(force).await {
                Err(RegisterError::Change(error @ ChangeError::Configuration(ConfigurationError::TooFew { .. }))) => {
                    return Err(unfit(format!("{error}: name one with fewer, by --code")).into());
                }
                forced => forced,
            }
        }
        ConfigurationChange::Key { node: name, key } => {
            let id = member(&name)?;
            let key: PublicKey = key.parse().map_err(bad)?;
            if node.roster().owner(&key).is_some_and(|owner| owner != id) {
                let why = format!("{key} is the key of another member, expected one of {name} alone");
                return Err(unfit(why).into());
            }
            let add = move |known: &Configuration| {
                let mut contact = known.new.member(id).ok_or(ChangeError::Unknown(id))?.contact.clone();
                if !contact.keys.contains(&key.bytes()) {
                    contact.keys.push(key.bytes());
                }
                known.contact(id, contact)
            };
            node.change_configuration(add).await
        }
        ConfigurationChange::Abort => node.change_configuration(Configuration::abort).await,
    };
    changed.map_err(|error| {
        let is_changing = matches!(error, RegisterError::Change(ChangeError::Joint(_)));
        let told = told(&error);
        if is_changing { Unchanged::Changing(told) } else { Unchanged::Refused(told) }
    })
}

fn code_named(name: &str) -> Result<SetCode, ApiError> {
    let found = Code::named(name).map_err(|error| bad(format!("the code `{name}`: {error}")))?;
    let columns = u8::try_from(found.columns()).unwrap_or(u8::MAX);
    Ok(SetCode { name: found.name().to_owned(), columns })
}

/// Of a change that is half-way until somebody has learnt something: the configuration at its end, or what it is by then.
async fn ended(node: &Node, changed: Arc<Configuration>) -> Arc<Configuration> {
    let mut known = node.configuration();
    let is_later = |known: &KnownConfiguration| {
        known.configuration.as_ref().is_some_and(|known| known.old.is_none() && known.epoch >= changed.epoch)
    };
    let later = timeout(LEARNT, known.wait_for(is_later)).await;
    // The sender lives as long as the node.
    let later = later.ok().and_then(Result::ok).and_then(|known| known.configuration.clone());
    later.unwrap_or(changed)
}

/// The member of this name or id.
fn find(node: &Node, name: &str) -> Result<NodeId, ApiError> {
    let known = node.configuration().borrow().configuration.clone();
    let sets = known.iter().flat_map(|known| known.sets());
    let mut members = sets.flat_map(|set| &set.members);
    // Also by the name that it has by now in this node's file.
    let roster = node.roster();
    let by_file = roster.members().iter().find(|member| member.name == name).map(|member| member.id);
    let is_it = |member: &&Member| member.contact.name == name || member.voter.node.to_string() == name;
    let found = members.find(|member| is_it(member) || Some(member.voter.node) == by_file);
    match (found, &known) {
        (Some(member), _) => Ok(member.voter.node),
        (None, None) => Err(told(&RegisterError::Unfounded { waits_for: waits_for(node).join(", ") })),
        (None, Some(known)) => {
            let names: Vec<_> = by_name(&known.new).map(|member| member.contact.name.clone()).collect();
            let message = format!("{name} is no member, expected one of {}", names.join(", "));
            Err(ApiError::new(StatusCode::NOT_FOUND, "unknown-node", message))
        }
    }
}

fn told(error: &RegisterError) -> ApiError {
    let (status, code) = match error {
        RegisterError::Change(_) | RegisterError::Propose(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unfit-change"),
        RegisterError::Unfounded { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no-configuration"),
        RegisterError::NoMajority { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no-majority"),
        RegisterError::Outrun | RegisterError::Undecided(_) => (StatusCode::CONFLICT, "configuration-changed"),
        RegisterError::Busy | RegisterError::Late => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        RegisterError::Gone => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    ApiError::new(status, code, error.to_string())
}

fn waits_for(node: &Node) -> Vec<String> {
    let known = node.configuration();
    let mut names: Vec<_> = known.borrow().waits_for.iter().map(|id| node.name_of(*id)).collect();
    names.sort();
    names
}

fn by_name(set: &MemberSet) -> impl Iterator<Item = &Member> {
    let mut members: Vec<_> = set.members.iter().collect();
    members.sort_by_key(|member| &member.contact.name);
    members.into_iter()
}

fn report(node: &Node, known: &KnownConfiguration) -> ConfigurationReport {
    let observer = node.config.me().name.clone();
    let problem = known.problem.clone();
    let Some(configuration) = &known.configuration else {
        let (code, catalog) = (String::new(), 0);
        let (members, old, must_live, retired) = (Vec::new(), None, Vec::new(), 0);
        let waits_for = waits_for(node);
        return ConfigurationReport {
            epoch: 0,
            code,
            catalog,
            members,
            old,
            learning: Vec::new(),
            must_live,
            retired,
            waits_for,
            problem,
            observer,
        };
    };
    let name = |id: NodeId| configuration.new.member(id).map_or_else(|| id.to_string(), |it| it.contact.name.clone());
    ConfigurationReport {
        epoch: configuration.epoch,
        code: configuration.new.code.name.clone(),
        catalog: configuration.new.catalog,
        members: members(node, &configuration.new),
        old: configuration.old.as_ref().map(|old| members(node, old)),
        learning: known.learning.iter().map(|id| name(*id)).collect(),
        must_live: configuration.new.must_live().map(|voter| name(voter.node)).collect(),
        retired: configuration.retired.len(),
        waits_for: Vec::new(),
        problem,
        observer,
    }
}

/// Of members that are drained: how much of what they hold has not moved yet.
async fn count_columns(node: &Arc<Node>, report: &mut ConfigurationReport) {
    for member in report.members.iter_mut().filter(|member| member.role == Role::Draining.name()) {
        if let Ok(id) = member.id.parse() {
            member.holds = node.columns_held(id).await;
        }
    }
}

fn members(node: &Node, set: &MemberSet) -> Vec<MemberReport> {
    let votes = |member: &Member| set.voters().find(|(voter, _)| *voter == member.voter).map_or(0, |(_, votes)| votes);
    let lives_in = |member: &Member| node.store.life_of(member.voter.node).filter(|life| *life != member.voter.life);
    let member = |member: &Member| MemberReport {
        name: member.contact.name.clone(),
        id: member.voter.node.to_string(),
        life: member.voter.life.to_string(),
        lives_in: lives_in(member).map(|life| life.to_string()),
        role: member.role.name().to_owned(),
        votes: votes(member),
        witness: member.witness,
        holds: None,
        rack: member.rack.clone(),
        room: member.room.clone(),
        http: member.contact.http.clone(),
        addresses: member.contact.addresses.clone(),
        keys: member.contact.keys.iter().map(|key| PublicKey::from(*key).to_string()).collect(),
    };
    by_name(set).map(member).collect()
}
