//! When somebody asks the program to end.

use tokio::signal;

/// Waits for Ctrl-C, or for what a service manager sends. Cancel-safe.
pub(crate) async fn asked() {
    #[cfg(unix)]
    {
        use signal::unix::{SignalKind, signal};

        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _nothing_can_be_done = signal::ctrl_c().await;
}
