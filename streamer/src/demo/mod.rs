//! The demo: a cluster of node processes on this machine's loopback, and the supervisor that survives each of them.

mod addresses;
mod children;
mod events;
mod forward;
mod front;
mod growth;
mod network;
mod parts;
mod prepared;

pub use growth::Grown;
pub use prepared::{DemoError, DemoOptions};

use crate::http::{Shutdown, Terms, serve};
use anyhow::{Context, bail};
use bytes::Bytes;
use children::Children;
use core::time::Duration;
use forward::Forwarder;
use front::{Front, message};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use network::Network;
use parts::Parts;
use prepared::{PreparedDemo, video_title};
use rain_config::Reloadable;
use rain_node::{Bounds, Gates, raise_descriptors};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// The sample that every demo has; `assets/make-sample.sh` made it.
const SAMPLE: &[u8] = include_bytes!("../../assets/sample.mp4");
const SAMPLE_TITLE: &str = "sample.mp4";
/// All nodes serve after so long, or the demo fails.
const START: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(100);

/// Runs a demo until SIGTERM or SIGINT. Prints the URL to open as one line once every node serves.
///
/// # Errors
/// What keeps it from starting: a wrong option, a port in use, a node that ends. Nothing is left behind but a data
/// folder that was named.
pub fn run(options: &DemoOptions) -> anyhow::Result<()> {
    // The forwarder holds both ends of every connection between nodes.
    raise_descriptors();
    let plan = PreparedDemo::make(options)?;
    // Nodes die with the thread that starts them: this one, which outlives them all.
    let children = Arc::new(Children::start(&plan)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let result = runtime.block_on(supervise(&plan, &children, options));
    runtime.shutdown_background();
    children.end();
    result
}

async fn supervise(plan: &PreparedDemo, children: &Arc<Children>, options: &DemoOptions) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    // A demo has no configuration to read anew; unheard, the signal would end it.
    let _hangups = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let (stop, shutdown) = watch::channel(false);
    let (listener, sockets) = plan.take_sockets().context("listening")?;
    let network = Arc::new(Network::new(plan.wiring.topology.clone()));
    let forwarder = Forwarder::start(sockets, plan.addresses, Arc::clone(&network), plan.weather);
    let forwarder = forwarder.context("starting the network")?;
    let (parts, restarts) = Parts::new(plan, Arc::clone(children), network);
    let parts = Arc::new(parts);
    let front = Arc::new(Front::new(plan, options, Arc::clone(&parts)));
    let serving = tokio::spawn(serve_front(Arc::clone(&front), listener, shutdown));
    let watching = tokio::spawn(Arc::clone(&parts).watch());
    let run = async {
        bring_up(&front, children).await?;
        store(&front, SAMPLE_TITLE, Bytes::from_static(SAMPLE)).await?;
        for video in &options.videos {
            store_file(&front, video).await?;
        }
        front.set_ready();
        // It runs on where nobody reads that.
        let _ = writeln!(std::io::stdout(), "{}/", plan.url());
        let _ = writeln!(std::io::stderr(), "{}", plan.words());
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        failed = run => failed?,
        // Nodes die with the thread that starts them: the one that runs this future, not one of the runtime's.
        () = parts.restart(restarts) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if plan.weather.tamper > 0.0 {
        let tampered = forwarder.tampered();
        let _ = writeln!(std::io::stderr(), "rain: streams and pieces of streams tampered with: {tampered}");
    }
    let _ = stop.send(true);
    serving.abort();
    watching.abort();
    Ok(())
}

async fn serve_front(front: Arc<Front>, listener: tokio::net::TcpListener, shutdown: Shutdown) {
    let answering = Arc::clone(&front);
    let limits = Reloadable::default();
    let gates = Gates::new(&Bounds::new(&limits.limits, raise_descriptors(), 1));
    let terms = Terms::new(gates.players, watch::channel(Arc::new(limits)).1);
    let serving = serve(listener, shutdown.clone(), terms, move |request, ends| {
        let front = Arc::clone(&answering);
        async move { front.answer(request, ends).await }
    });
    tokio::join!(serving, events::tell(&front, shutdown));
}

/// Waits until every node is ready.
async fn bring_up(front: &Front, children: &Children) -> anyhow::Result<()> {
    let until = Instant::now() + START;
    for node in 0..children.len() {
        loop {
            if let Some(name) = children.ended() {
                bail!("node {name} ended while the demo was starting");
            }
            let request = Request::get("/readyz").body(front::no_body()).context("asking a node")?;
            let why = match front.forward_to(node, request).await {
                Ok(response) if response.status().is_success() => break,
                Ok(response) => message(response).await,
                Err(error) => error,
            };
            if Instant::now() > until {
                bail!("node {} is not ready after {} s: {why}", children.name(node), START.as_secs());
            }
            sleep(RETRY).await;
        }
    }
    Ok(())
}

/// Stores a title, unless the very same bytes are there already.
async fn store(front: &Front, title: &str, bytes: Bytes) -> anyhow::Result<()> {
    let path = format!("/v/{}", rain_titles::title::to_path(title));
    let until = Instant::now() + START;
    let etag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
    loop {
        let body = Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync();
        let request = Request::builder().method(Method::PUT).uri(&path).header("if-none-match", &etag);
        let response = front.forward(request.body(body).context("storing a video")?).await;
        let status = response.status();
        if status.is_success() || status == StatusCode::PRECONDITION_FAILED {
            return Ok(());
        }
        let why = message(response).await;
        // A new cluster needs a moment until its nodes have found each other.
        if status != StatusCode::SERVICE_UNAVAILABLE || Instant::now() > until {
            bail!("storing {title}: {status}: {why}");
        }
        sleep(RETRY).await;
    }
}

async fn store_file(front: &Front, file: &Path) -> anyhow::Result<()> {
    let bytes = tokio::fs::read(file).await.with_context(|| file.display().to_string())?;
    store(front, video_title(file)?, bytes.into()).await
}
