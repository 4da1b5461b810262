//! What is sent elsewhere, as it is given.

use std::fmt;
use std::path::PathBuf;

use super::{Given, SettingError};

/// What is sent elsewhere, and how. URLs may hold secrets: what is said about them is the
/// forwarder's to say, which reads them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ForwardSettings {
    /// `--forward`
    pub entries_to: Vec<String>,
    /// `--checkpoint-to`
    pub checkpoints_to: Vec<String>,
    /// `--otlp-endpoint`
    pub traces_to: Option<String>,
    /// `--forward-ca`
    pub ca: Option<PathBuf>,
    /// `--forward-token`
    pub token: Option<PathBuf>,
}

impl fmt::Debug for ForwardSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries_to, checkpoints_to, traces_to, ca, token } = self;
        f.debug_struct("ForwardSettings")
            .field("entries_to", &entries_to.len())
            .field("checkpoints_to", &checkpoints_to.len())
            .field("traces_to", &traces_to.is_some())
            .field("ca", ca)
            .field("token", token)
            .finish()
    }
}

impl Given {
    pub(super) fn forward(&self) -> Result<ForwardSettings, SettingError> {
        let anywhere = !self.forward.is_empty()
            || !self.checkpoint_to.is_empty()
            || self.otlp_endpoint.is_some();
        let given = [
            ("forward-ca", self.forward_ca.is_some()),
            ("forward-token", self.forward_token.is_some()),
        ];
        if let Some((name, _)) = given.into_iter().find(|(_, given)| *given && !anywhere) {
            let why = "needs a target: `--forward`, `--checkpoint-to` or `--otlp-endpoint`";
            return Err(SettingError::Value { name, why: why.to_owned() });
        }
        Ok(ForwardSettings {
            entries_to: divided(&self.forward),
            checkpoints_to: divided(&self.checkpoint_to),
            traces_to: self.otlp_endpoint.clone(),
            ca: self.forward_ca.clone(),
            token: self.forward_token.clone(),
        })
    }
}

/// No URL has a space in it.
fn divided(texts: &[String]) -> Vec<String> {
    texts.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
}
