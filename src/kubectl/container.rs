//! From flags to the ephemeral container.

use serde_json::{Map, Value, json};

use super::{DebugError, DebugOptions, Profile, defaults};
use crate::policy::name::is_dns_label;

impl DebugOptions {
    /// The ephemeral container as webhooks see it: built as kubectl does, filled in as the API
    /// server does. `suffix` stands for the five random letters of `debugger-xxxxx`.
    ///
    /// # Errors
    ///
    /// kubectl would refuse the flags, or the API server the names in them.
    pub fn ephemeral_container(&self, suffix: &str) -> Result<Value, DebugError> {
        if self.image.is_empty() {
            return Err(DebugError::ImageMissing);
        }
        if self.tty && !self.stdin {
            return Err(DebugError::TtyWithoutStdin);
        }
        let mut container = self.sent(suffix);
        check_names(&container)?;
        defaults::fill_in(&mut container);
        Ok(Value::Object(container))
    }

    /// As kubectl sends it.
    fn sent(&self, suffix: &str) -> Map<String, Value> {
        let mut container = Map::new();
        let mut set = |field: &str, value: Value| container.insert(field.to_owned(), value);
        let name = self.container.clone().filter(|name| !name.is_empty());
        set("name", name.unwrap_or_else(|| format!("debugger-{suffix}")).into());
        set("image", self.image.as_str().into());
        set("resources", json!({}));
        set("terminationMessagePolicy", "File".into());
        let env = self.env_list();
        if !env.is_empty() {
            set("env", env.into());
        }
        if let Some(policy) = self.image_pull_policy {
            set("imagePullPolicy", policy.as_str().into());
        }
        if self.stdin {
            set("stdin", true.into());
        }
        if self.tty {
            set("tty", true.into());
        }
        if let Some(target) = self.target.as_deref().filter(|target| !target.is_empty()) {
            set("targetContainerName", target.into());
        }
        if !self.command.is_empty() {
            let field = if self.arguments_only { "args" } else { "command" };
            set(field, self.command.clone().into());
        }
        if let Some(security_context) = security_context(self.profile) {
            set("securityContext", security_context);
        }
        if let Some(custom) = &self.custom {
            custom.merge_into(&mut container);
        }
        container
    }

    /// One entry for each name, in the order in which the names first came. kubectl's own order is
    /// that of a Go map, which is none.
    fn env_list(&self) -> Vec<Value> {
        let mut list: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.env {
            match list.iter_mut().find(|(known, _)| known == name) {
                Some(entry) => entry.1 = value,
                None => list.push((name, value)),
            }
        }
        let entry = |(name, value): (&str, &str)| match value {
            "" => json!({"name": name}),
            _ => json!({"name": name, "value": value}),
        };
        list.into_iter().map(entry).collect()
    }
}

/// The names that the API server would refuse, whatever webhooks say.
fn check_names(container: &Map<String, Value>) -> Result<(), DebugError> {
    let name = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let own = name(container.get("name").unwrap_or(&Value::Null));
    if !is_dns_label(&own) {
        return Err(DebugError::ContainerName(own));
    }
    let is_variable = |name: &String| {
        !name.is_empty() && name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
    };
    let variables = container.get("env").and_then(Value::as_array).into_iter().flatten();
    match variables.map(|variable| name(&variable["name"])).find(|name| !is_variable(name)) {
        Some(name) => Err(DebugError::VariableName(name)),
        None => Ok(()),
    }
}

/// What each profile does to an ephemeral container (`pkg/cmd/debug/profiles.go`).
fn security_context(profile: Profile) -> Option<Value> {
    match profile {
        Profile::Legacy | Profile::Baseline => None,
        Profile::General => Some(json!({"capabilities": {"add": ["SYS_PTRACE"]}})),
        Profile::Restricted => Some(json!({
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        })),
        Profile::Netadmin => Some(json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}})),
        Profile::Sysadmin => Some(json!({"privileged": true})),
    }
}
