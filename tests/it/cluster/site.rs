//! The API server and the Postern that all tests share.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::expressions;
use super::support::{Cluster, Postern};

/// What every Postern of these tests enforces: the examples as they are, and what only tests need.
const POLICIES: [(&str, &str); 4] = [
    ("developers.yaml", include_str!("../../../deploy/examples/developers.yaml")),
    ("guard-rails.yaml", include_str!("../../../deploy/examples/guard-rails.yaml")),
    ("on-call.yaml", include_str!("../../../deploy/examples/on-call.yaml")),
    ("tests.yaml", include_str!("policies.yaml")),
];

/// The cluster with Postern in front.
pub(super) struct Site {
    pub(super) cluster: Cluster,
    postern: RwLock<Postern>,
}

/// The one of this process. It ends with the process.
pub(super) fn site() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| {
        let cluster = Cluster::start();
        let program = Path::new(env!("CARGO_BIN_EXE_postern"));
        let expressions = expressions::policies();
        let policies = [&POLICIES[..], &[("expressions.yaml", expressions.as_str())]].concat();
        let postern = Postern::start(&cluster, program, &policies);
        postern.install(&cluster);
        Site { cluster, postern: RwLock::new(postern) }
    })
}

impl Site {
    /// Postern as it is; nobody changes it as long as this is held.
    pub(super) fn shared(&self) -> RwLockReadGuard<'_, Postern> {
        // A test that failed has put everything back nevertheless.
        self.postern.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Postern for one test alone, to be stopped and cut off.
    pub(super) fn alone(&'static self) -> Alone {
        let postern = self.postern.write().unwrap_or_else(PoisonError::into_inner);
        Alone { postern, cluster: &self.cluster, moved: false, policies: Vec::new() }
    }
}

/// Postern in the hands of one test. Afterwards everything is as it was.
pub(super) struct Alone {
    postern: RwLockWriteGuard<'static, Postern>,
    cluster: &'static Cluster,
    moved: bool,
    policies: Vec<(&'static str, String)>,
}

impl Alone {
    /// Has the API server call the mutating webhook where nobody answers.
    pub(super) fn cut_off_mutating(&mut self) {
        self.moved = true;
        let (validate, authority) = (self.postern.url("validate"), self.postern.authority());
        self.cluster.install_webhooks("https://127.0.0.1:1/mutate", &validate, &authority);
    }

    /// Removes the webhook configurations, as if Postern had not been installed yet.
    pub(super) fn uninstall(&mut self) {
        self.moved = true;
        self.cluster.remove_webhooks();
    }

    /// Installs them (again) as they should be.
    pub(super) fn install(&mut self) {
        self.postern.install(self.cluster);
        self.moved = false;
    }

    /// Rewrites a policy file under the running server; returns once it is in force.
    pub(super) fn edit_policy(&mut self, name: &'static str, edit: impl FnOnce(&str) -> String) {
        let before = self.postern.wait_for_policies(|postern| {
            let before = postern.policy(name);
            let after = edit(&before);
            assert_ne!(before, after, "{name} is as it was");
            postern.write_policy(name, &after);
            before
        });
        self.policies.push((name, before));
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.postern.start_again();
        while let Some((name, text)) = self.policies.pop() {
            self.postern.wait_for_policies(|postern| postern.write_policy(name, &text));
        }
        if self.moved {
            self.install();
        }
    }
}

impl Deref for Alone {
    type Target = Postern;

    fn deref(&self) -> &Postern {
        &self.postern
    }
}

impl DerefMut for Alone {
    fn deref_mut(&mut self) -> &mut Postern {
        &mut self.postern
    }
}
