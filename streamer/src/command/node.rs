//! `rain node`.

use crate::http::{Told, record_metrics, serve_node};
use anyhow::{Context, bail};
use rain_config::Config;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub(super) fn run(config: &Path, parent: Option<u32>) -> anyhow::Result<()> {
    if let Some(parent) = parent {
        die_with(parent)?;
    }
    let config = Config::read(config)?;
    let metrics = record_metrics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let (stop, shutdown) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        // From here on a hangup ends nothing; what came of the configuration meanwhile is read once the node serves.
        let hangups = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = stop.send(true);
            // Held until the process ends: without it the listeners would think that the end has come twice.
            std::future::pending::<()>().await;
        });
        let serve = |node, players| serve_node(node, players, metrics, Told { shutdown, hangups });
        rain_node::run(config, serve).await.map_err(anyhow::Error::from)
    })?;
    runtime.shutdown_background();
    Ok(())
}

/// A node of a demo must not outlive it, however the demo ends.
fn die_with(parent: u32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("tying the node to the demo")?;
    let now = getppid().map(Pid::as_raw_nonzero).and_then(|pid| u32::try_from(pid.get()).ok());
    if now != Some(parent) {
        bail!("the demo that started this node has ended");
    }
    Ok(())
}
