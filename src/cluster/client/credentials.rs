//! Who asks: tokens out of files, and why there is none.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use kube::client::{AuthError, Body};
use kube::config::{AuthInfo, ExecConfig};

use crate::policy::text::{Line, Quoted};

/// A token may be another by then.
const FRESH: Duration = Duration::from_secs(50);
/// How much is shown of what a program says, in characters.
const LONG: usize = 500;

/// The token of a `tokenFile`. The library would send the line break at its end as well; kubectl
/// does not.
#[derive(Debug, Clone)]
pub(super) struct TokenFile(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    /// The newest that could be read, and when that was tried.
    header: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    /// Takes it out of what the library would read, where the library would come to it.
    pub(super) fn take(user: &mut AuthInfo) -> Result<Option<Self>, String> {
        let has_password = user.username.is_some() && user.password.is_some();
        if user.auth_provider.is_some() || has_password || user.token.is_some() {
            return Ok(None);
        }
        let Some(path) = user.token_file.take().map(PathBuf::from) else { return Ok(None) };
        user.exec = None;
        let header = Mutex::new((read(&path)?, Instant::now()));
        Ok(Some(Self(Arc::new(Kept { path, header }))))
    }

    /// Puts it into a request.
    pub(super) fn sign(&self, request: &mut Request<Body>) {
        let mut kept = self.0.header.lock().unwrap_or_else(PoisonError::into_inner);
        let (header, tried) = &mut *kept;
        if tried.elapsed() >= FRESH {
            *tried = Instant::now();
            // One that is gone may have been taken away on purpose, once it was read.
            if let Ok(newer) = read(&self.0.path) {
                *header = newer;
            }
        }
        request.headers_mut().insert(AUTHORIZATION, header.clone());
    }
}

fn read(path: &std::path::Path) -> Result<HeaderValue, String> {
    let wrong = |why: &str| format!("its `tokenFile` is `{}`, which {why}", path.display());
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(wrong("is empty"));
    }
    let header = HeaderValue::try_from(format!("Bearer {token}"));
    let mut header = header.map_err(|_| wrong("holds a line break or the like in its token"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Why there is no token. What a program printed may be one, and is never shown; what it said
/// beside is for people.
pub(in crate::cluster) fn credentials(error: &AuthError, exec: Option<&ExecConfig>) -> String {
    let name = exec.and_then(|exec| exec.command.as_deref());
    let name = name.map(|name| format!(" {}", Quoted(name))).unwrap_or_default();
    let command = format!("the `exec` command{name} of the kubeconfig");
    match error {
        AuthError::AuthExecStart(why) => {
            let hint = exec.and_then(|exec| exec.install_hint.as_deref());
            let hint = hint.map(in_a_line).filter(|hint| !hint.is_empty());
            let hint = hint.map(|hint| format!("; its `installHint`: {hint}")).unwrap_or_default();
            format!("{command} cannot be run: {why}{hint}")
        }
        AuthError::AuthExecRun { out, .. } => {
            let said = in_a_line(&String::from_utf8_lossy(&out.stderr));
            let said = if said.is_empty() { said } else { format!(": {said}") };
            format!("{command} failed ({}){said}", out.status)
        }
        AuthError::AuthExecParse(_) => format!("{command} does not print an ExecCredential"),
        AuthError::AuthExec(_) => {
            "an `auth-provider` of the kubeconfig is not supported; use `exec` or a token"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// A text of another's, with nothing in it that a terminal obeys.
fn in_a_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let whole = lines.join(" / ");
    let shown: String = whole.chars().take(LONG).collect();
    let more = if shown.len() < whole.len() { "…" } else { "" };
    format!("{}{more}", Line(&shown))
}
