//! The nodes, as players are told of them.

use super::super::caller::{Caller, Demand};
use super::super::reply::json;
use super::super::router::{Answer, Room, is_read};
use super::super::{ApiError, RequestBody};
use super::ROOT;
use core::net::IpAddr;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request};
use rain_media::Origin;
use rain_node::Node;
use rain_titles::title;
use serde::Serialize;
use std::sync::Arc;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Listed {
    name: String,
    /// Where players reach it, without a `/` at its end.
    http: String,
}

/// All nodes, the answering one first, as they are when somebody asks.
pub(in super::super) struct Nodes(Box<dyn Fn() -> Vec<Listed> + Send + Sync>);

impl Nodes {
    /// The members of the cluster of `node`.
    pub(in super::super) fn of(node: Arc<Node>) -> Self {
        Self(Box::new(move || {
            let roster = node.roster();
            let members = roster.by_name().into_iter();
            sorted(&node.config.me().name, members.map(|member| (member.name.as_str(), member.http.as_str())))
        }))
    }

    /// Nodes by name and URL, of which `me` answers.
    #[cfg(test)]
    pub(super) fn new<'a>(me: &str, nodes: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let nodes = sorted(me, nodes);
        Self(Box::new(move || nodes.clone()))
    }

    /// Where a title is to be had: here first, then at the others, which are asked in another order by each viewer, so that
    /// not all of them go to the same one when this one dies.
    pub(super) fn origins(&self, title: &str, viewer: IpAddr) -> Vec<Origin> {
        let segment = title::to_segment(title);
        let origin = |node: &Listed| Origin { name: node.name.clone(), base: format!("{}{ROOT}{segment}/", node.http) };
        let mut origins: Vec<_> = (self.0)().iter().map(origin).collect();
        if let Some((_, others)) = origins.split_first_mut().filter(|(_, others)| !others.is_empty()) {
            let hash = blake3::hash(viewer.to_string().as_bytes());
            let turn = usize::from(hash.as_bytes()[0]) % others.len();
            others.rotate_left(turn);
        }
        origins
    }
}

fn sorted<'a>(me: &str, nodes: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Listed> {
    let listed =
        |(name, http): (&str, &str)| Listed { name: name.to_owned(), http: http.trim_end_matches('/').to_owned() };
    let mut nodes: Vec<_> = nodes.map(listed).collect();
    nodes.sort_by_key(|node| node.name != me);
    nodes
}

/// The room of `/api/v1/nodes.json`.
pub(in super::super) struct NodesRoom(pub(in super::super) Arc<Nodes>);

impl Room for NodesRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path == "/api/v1/nodes.json"
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, _: Caller, _: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async { Ok(json(&(self.0.0)())) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_node_is_first_and_viewers_differ_in_the_others() {
        let four = [("A", "http://a"), ("B", "http://b/"), ("C", "http://c"), ("D", "http://d")];
        let nodes = Nodes::new("B", four.into_iter());
        let mut seconds = std::collections::BTreeSet::new();
        for last in 0..=255 {
            let origins = nodes.origins("films/a b", IpAddr::from([192, 0, 2, last]));
            assert_eq!(origins[0], Origin { name: "B".to_owned(), base: "http://b/p/films%2Fa%20b/".to_owned() });
            let mut names: Vec<_> = origins.iter().map(|origin| origin.name.clone()).collect();
            seconds.insert(names[1].clone());
            names.sort_unstable();
            assert_eq!(names, ["A", "B", "C", "D"]);
        }
        assert_eq!(seconds.into_iter().collect::<Vec<_>>(), ["A", "C", "D"]);
        assert_eq!(Nodes::new("A", [("A", "http://a")].into_iter()).origins("x", IpAddr::from([0; 4])).len(), 1);
    }
}
