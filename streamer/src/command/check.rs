//! `rain config check`.

use crate::config::Config;
use std::path::Path;

pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let config = Config::read(file)?;
    let others = config.members.len() - 1;
    println!(
        "{}: node {} of {}, code {}, players at {}, {} interfaces, {others} peers",
        file.display(),
        config.me().name,
        config.members.len(),
        config.code.name(),
        config.listen,
        config.interfaces.len(),
    );
    Ok(())
}
