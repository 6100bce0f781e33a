//! Titles of a cluster, as everybody above a node sees them: by the client, of any of several nodes.

use crate::harness::Cluster;
use rain_client::HttpTitles;
use rain_titles::contract;
use std::io;

#[test]
fn the_titles_of_a_cluster_keep_the_contract() -> io::Result<()> {
    let mut cluster = Cluster::of_four();
    let runtime = tokio::runtime::Runtime::new()?;
    let servers: Vec<String> = (0..4).map(|node| cluster.url(node)).collect();
    runtime.block_on(contract::check(&HttpTitles::new(servers.clone(), None)));
    // Whoever is dead is passed over.
    cluster.kill(0);
    runtime.block_on(contract::check(&HttpTitles::new(servers, None)));
    Ok(())
}
