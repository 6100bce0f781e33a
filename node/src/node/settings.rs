//! The settings in force: what of the configuration changes while the node runs.

use super::Node;
use crate::bounds::Bounds;
use rain_config::{Config, ConfigError, Limits, Reloadable};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The settings in force. Whoever follows them learns of a change when it comes; whoever asks, at its next question.
#[derive(Debug)]
pub struct Settings {
    in_force: watch::Sender<Arc<Reloadable>>,
    /// Held by whoever reads the configuration anew: what was read last is in force.
    turn: Mutex<()>,
}

impl Settings {
    pub(super) fn new(first: Reloadable) -> Self {
        Self { in_force: watch::Sender::new(Arc::new(first)), turn: Mutex::default() }
    }

    /// Those in force, and all that follow.
    pub fn watch(&self) -> watch::Receiver<Arc<Reloadable>> {
        self.in_force.subscribe()
    }

    /// Reads the configuration `running` anew, and puts what can change in force.
    fn reload(&self, running: &Config) -> Result<Reloaded, ConfigError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Config::read(&running.file)?;
        let restart = running.needs_restart(&read);
        let fresh = Arc::new(read.reloadable);
        let before = self.in_force.send_replace(Arc::clone(&fresh));
        Ok(Reloaded { changed: before.changed(&fresh), restart })
    }
}

/// What came of reading a configuration anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The keys that changed, and are in force.
    pub changed: Vec<&'static str>,
    /// Those that differ from what the node runs with, and take a restart.
    pub restart: Vec<&'static str>,
}

impl Node {
    /// Reads the configuration anew, and puts what can change in force.
    ///
    /// # Errors
    /// [`ConfigError`]; what was in force stays so.
    ///
    /// Cancel safety: dropping it does not stop the reading.
    pub async fn reload(self: &Arc<Self>) -> Result<Reloaded, ConfigError> {
        self.blocking(|node| {
            let reloaded = node.settings.reload(&node.config)?;
            if reloaded.changed.iter().any(|key| ["key_file", "peers.key"].contains(key)) {
                node.follow_anew();
            }
            if reloaded.changed.contains(&"limits") {
                node.set_limits(&node.settings.watch().borrow().limits);
            }
            Ok(reloaded)
        })
        .await
    }
}

impl Node {
    /// From now on these are the limits; whatever is under way goes on by those before.
    pub(super) fn set_limits(&self, limits: &Limits) {
        self.gates.set_bounds(&Bounds::new(limits, self.descriptors, self.roster().members().len()));
        self.read_ahead.set_bytes_max(limits.read_ahead_bytes);
        self.upload_budget.set_bytes_max(limits.upload_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    struct File(PathBuf);

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    const NODE: &str = r#"
        node = "A"
        id = "0000000a"
        data = ["/x"]
        code = "replica:2"
        listen = "127.0.0.1:80"
        interfaces = [{ switch = "s1", address = "127.0.0.1:9001" }]
        peers = [{ name = "B", id = "0000000b", http = "http://b", addresses = { s1 = "127.0.0.2:9001" } }]
    "#;

    fn written(path: &Path, rest: &str) {
        std::fs::write(path, format!("{NODE}{rest}")).unwrap();
    }

    #[test]
    fn a_faulty_file_leaves_the_old_settings_in_force() {
        let path = std::env::temp_dir().join(format!("rain-settings-{}.toml", std::process::id()));
        let file = File(path.clone());
        written(&path, "");
        let running = Config::read(&path).unwrap();
        let settings = Settings::new(running.reloadable.clone());
        let names = || settings.watch().borrow().tokens.len();
        let token = |digit: &str| {
            format!("[[tokens]]\nname = \"t{digit}\"\nrole = \"viewer\"\nhash = \"{}\"\n", digit.repeat(64))
        };

        written(&path, &token("1"));
        assert_eq!(settings.reload(&running).unwrap(), Reloaded { changed: vec!["tokens"], restart: vec![] });
        assert_eq!(names(), 1);
        written(&path, &format!("{}{}", token("1"), token("1")));
        assert!(settings.reload(&running).unwrap_err().to_string().contains("`t1` twice"));
        assert_eq!(names(), 1);
        written(&path, &format!("console = false\nheartbeat_ms = 7\n{}{}", token("1"), token("2")));
        let expected = Reloaded { changed: vec!["tokens"], restart: vec!["heartbeat_ms", "console"] };
        assert_eq!(settings.reload(&running).unwrap(), expected);
        assert_eq!(names(), 2);
        written(&path, &format!("limits = {{ connections = 9 }}\n{}{}", token("1"), token("2")));
        assert_eq!(settings.reload(&running).unwrap(), Reloaded { changed: vec!["limits"], restart: vec![] });
        assert_eq!(settings.watch().borrow().limits.connections, Some(9));
        drop(file);
        assert!(settings.reload(&running).unwrap_err().to_string().contains("rain-settings"));
        assert_eq!(names(), 2);
    }
}
