//! What a node knows to be in force.

use super::configuration::Configuration;
use std::sync::Arc;

/// The newest configuration that a node has learnt. It may be old; whoever acts on it says its epoch, and whoever knows
/// a newer one refuses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Learner(Arc<Configuration>);

impl Learner {
    /// Begins with what the node's disk or its founder says.
    pub fn new(known: Arc<Configuration>) -> Self {
        Self(known)
    }

    /// The newest that it knows.
    pub fn known(&self) -> &Arc<Configuration> {
        &self.0
    }

    /// Takes a configuration that is in force; is true when it is news, to be written down.
    pub fn learn(&mut self, configuration: Arc<Configuration>) -> bool {
        let is_news = configuration.epoch > self.0.epoch;
        if is_news {
            self.0 = configuration;
        }
        is_news
    }
}
