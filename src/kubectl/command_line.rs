//! From flags back to what a developer would type.

use super::{DebugOptions, env};
use crate::policy::text::is_plain;

impl DebugOptions {
    /// The `kubectl debug` command with these flags, ready to paste into a shell.
    ///
    /// One line without control or formatting characters, whatever the flags hold: what is not
    /// plain is written as `$'…'`, which bash, zsh, ksh and newer `sh` read.
    #[must_use]
    pub fn command_line(&self, pod: &str, namespace: &str) -> String {
        let mut words = vec!["kubectl".to_owned(), "debug".to_owned()];
        let mut add = |word: String| words.push(shell_word(&word));
        add(pod.to_owned());
        add("-n".to_owned());
        add(namespace.to_owned());
        add(format!("--image={}", self.image));
        add(format!("--profile={}", self.profile.as_str()));
        if let Some(target) = &self.target {
            add(format!("--target={target}"));
        }
        if let Some(name) = &self.container {
            add(format!("--container={name}"));
        }
        for (name, value) in &self.env {
            add(format!("--env={}", env::render(name, value)));
        }
        if let Some(policy) = self.image_pull_policy {
            add(format!("--image-pull-policy={}", policy.as_str()));
        }
        if let Some(custom) = &self.custom {
            add(format!("--custom={}", custom.file()));
        }
        match (self.stdin, self.tty) {
            (true, true) => add("-it".to_owned()),
            (true, false) => add("-i".to_owned()),
            (false, true) => add("-t".to_owned()),
            (false, false) => {}
        }
        if self.arguments_only {
            add("--arguments-only".to_owned());
        }
        if !self.command.is_empty() {
            add("--".to_owned());
            self.command.iter().cloned().for_each(&mut add);
        }
        words.join(" ")
    }
}

/// One word of a POSIX shell, quoted where it must be.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    if word.chars().all(is_plain) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = "$'".to_owned();
    for character in word.chars() {
        match character {
            '\'' | '\\' => quoted.extend(['\\', character]),
            _ if is_plain(character) => quoted.push(character),
            // Always three digits: no digit behind them can be taken for a part.
            _ => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    quoted.push_str(&format!("\\{byte:03o}"));
                }
            }
        }
    }
    quoted.push('\'');
    quoted
}
