//! The log level, changed while the server runs.

use std::path::Path;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::config::{Given, LogLevel, Logs};
use crate::policy::text::Plain;
use crate::telemetry::Levels;
use crate::watch::Watch;

/// Follows the settings file as long as the result lives, and reads it again on SIGHUP too.
///
/// Where there is no file to follow, that signal still does not end the server, as it would end a
/// program that never heard of it.
pub(super) fn follow(logs: Logs, levels: Levels) -> anyhow::Result<JoinSet<()>> {
    let Logs { level, file, .. } = logs;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let mut task = JoinSet::new();
    let Some(file) = file else {
        task.spawn(async move {
            while hangup.recv().await.is_some() {
                info!("SIGHUP changes nothing: the log level is not from a settings file");
            }
        });
        return Ok(task);
    };
    let mut watch = Watch::new(std::slice::from_ref(&file));
    task.spawn(async move {
        let mut now = level;
        loop {
            tokio::select! {
                () = watch.changed() => {}
                _ = hangup.recv() => {}
            }
            now = take_over(&file, now, &levels);
        }
    });
    Ok(task)
}

/// The level that is in force afterwards.
fn take_over(file: &Path, now: LogLevel, levels: &Levels) -> LogLevel {
    let wanted = match Given::from_file(file) {
        Ok(given) => given.log_level().unwrap_or_default(),
        Err(error) => {
            // The lines after it are a picture of the file, in which there may be passwords.
            let error = error.to_string();
            let error = Plain(error.lines().next().unwrap_or_default());
            warn!("The log level stays `{}`: {error}", now.as_str());
            return now;
        }
    };
    if wanted == now {
        return now;
    }
    // Said while it can be heard.
    if wanted < now {
        info!(log_level = wanted.as_str(), "The log level is `{}` from now on", wanted.as_str());
    }
    if let Err(error) = levels.set(wanted.as_str()) {
        warn!("The log level stays `{}`: {error}", now.as_str());
        return now;
    }
    if wanted > now {
        info!(log_level = wanted.as_str(), "The log level is `{}` from now on", wanted.as_str());
    }
    wanted
}
