//! Tasks that a node runs for as long as it lives: none of them ends unheard.

use core::any::Any;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures_util::FutureExt;
use tokio::time::sleep;

/// A task that panicked is begun anew after so long.
const AGAIN: Duration = Duration::from_millis(200);

/// Runs a task until it ends by itself; one that panics is told of and begun anew.
///
/// Cancel safety: that of the task.
pub(super) async fn keep<F: Future<Output = ()>>(task: &'static str, mut begin: impl FnMut() -> F) {
    while let Err(panic) = AssertUnwindSafe(begin()).catch_unwind().await {
        note_panic(task, &*panic);
        sleep(AGAIN).await;
    }
}

/// Logs and counts the panic of a task.
pub(super) fn note_panic(task: &'static str, panic: &(dyn Any + Send)) {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words");
    tracing::error!(task, said, "a task panicked");
    metrics::counter!("rain_task_panics_total", "task" => task).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_task_that_panics_is_counted_and_begun_anew() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let begun = AtomicU32::new(0);
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(keep("of a test", || async {
                assert!(begun.fetch_add(1, Ordering::Relaxed) > 1, "the first two times");
            }));
        });
        assert_eq!(begun.load(Ordering::Relaxed), 3);
        let text = handle.render();
        assert!(text.contains("rain_task_panics_total{task=\"of a test\"} 2"), "{text}");
    }
}
