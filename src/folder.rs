//! Layer 5, policies from files and folders.

mod picture;

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::crd::document::{self, Flaw, Located};
use crate::policy::rule::Policy;
use crate::policy::set::PolicySet;
use crate::policy::text::{Plain, Quoted};
use picture::Spot;

/// Largest file that is read.
pub const MAX_FILE_BYTES: usize = 1 << 20;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// The link that the kubelet swaps when a ConfigMap changes.
const GENERATION_LINK: &str = "..data";
const MAX_ATTEMPTS: usize = 5;
/// Most faults told of one set.
const MAX_FAULTS: usize = 100;

/// Loads every policy of these folders and files.
///
/// Of a folder, every `*.yaml`, `*.yml` and `*.json` in it, by name, is read; folders below it and
/// names that begin with a dot are not. Symbolic links are followed. A path that is a file is read
/// whatever it is called.
///
/// # Errors
///
/// Everything that is wrong with any of them: one bad document, and there is no set at all.
pub fn load(paths: &[PathBuf]) -> Result<PolicySet, LoadError> {
    for _ in 0..MAX_ATTEMPTS {
        let before = generations(paths);
        let mut load = Load::default();
        for path in paths {
            load.path(path);
        }
        // A ConfigMap that changed meanwhile has given some files of the old kind and some of the
        // new, a set that nobody wrote.
        if before == generations(paths) {
            return load.finish();
        }
    }
    Err(LoadError { faults: vec![Fault::Unsettled] })
}

/// Loads every policy of a text; `name` is what errors call it.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn load_text(name: &str, text: &str) -> Result<PolicySet, LoadError> {
    let mut load = Load::default();
    load.text(name, text.to_owned());
    load.finish()
}

/// Reads a text file, as strictly as one with policies.
///
/// # Errors
///
/// It cannot be read, is too large, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Fault> {
    let bytes = read_file(path)?;
    String::from_utf8(bytes).map_err(|error| {
        let mut load = Load::default();
        load.not_utf8(&path.to_string_lossy(), &error);
        load.faults.pop().unwrap_or_else(|| Fault::NotAFile { path: path.to_owned() })
    })
}

/// The pictures of what is wrong with a text that holds no policies; `name` is what they call it.
#[must_use]
pub fn pictured(name: &str, text: &str, flaws: &[Flaw]) -> Vec<Fault> {
    let mut load = Load::default();
    load.texts.push(Text { name: Plain(name).to_string(), content: text.to_owned() });
    flaws.iter().for_each(|flaw| load.flaw(flaw, None));
    load.faults
}

/// Why there is no set of policies. The first line of its text counts the faults and names the
/// first place; then each fault is shown with the line it is in.
#[derive(Debug)]
pub struct LoadError {
    /// What is wrong; never empty.
    pub faults: Vec<Fault>,
}

/// One thing wrong with a file or folder.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The operating system refused.
    #[error("error: cannot read {}: {source}", Quoted(&.path.to_string_lossy()))]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe, a socket, a device.
    #[error("error: {} is neither a file nor a folder", Quoted(&.path.to_string_lossy()))]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// Above [`MAX_FILE_BYTES`].
    #[error("error: {} is larger than {MAX_FILE_BYTES} bytes", Quoted(&.path.to_string_lossy()))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A mounted ConfigMap was swapped each time it was read.
    #[error("error: the folders change faster than they can be read")]
    Unsettled,
    /// Something in a file.
    #[error("{picture}")]
    Flaw {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong, in one line.
        message: String,
        /// The message, the place and the line, as they are shown.
        picture: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.len() {
            1 => f.write_str("1 problem in the policies")?,
            count => write!(f, "{count} problems in the policies")?,
        }
        if let Some(Fault::Flaw { file, line, column, .. }) = self.faults.first() {
            write!(f, ", first in {file}:{line}:{column}")?;
        }
        for fault in &self.faults {
            write!(f, "\n\n{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// The state of one load.
#[derive(Debug, Default)]
struct Load {
    texts: Vec<Text>,
    policies: Vec<Policy>,
    /// Where each name was first used.
    names: HashMap<String, Spot>,
    faults: Vec<Fault>,
}

/// A text and what errors call it.
#[derive(Debug)]
struct Text {
    name: String,
    content: String,
}

impl Load {
    fn path(&mut self, path: &Path) {
        let read = |source| Fault::Unreadable { path: path.to_owned(), source };
        match fs::metadata(path) {
            Err(error) => self.faults.push(read(error)),
            Ok(found) if found.is_dir() => match policy_files(path) {
                Ok(files) => files.iter().for_each(|file| self.file(file)),
                Err(error) => self.faults.push(read(error)),
            },
            Ok(_) => self.file(path),
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.to_string_lossy();
        match read_file(path) {
            Err(fault) => self.faults.push(fault),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.text(&name, text),
                Err(error) => self.not_utf8(&name, &error),
            },
        }
    }

    fn not_utf8(&mut self, name: &str, error: &std::string::FromUtf8Error) {
        // What is right before the fault shows where it is.
        let content = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let at = error.utf8_error().valid_up_to();
        let flaw = Flaw { at: at..at, message: "this byte is not UTF-8".to_owned() };
        self.texts.push(Text { name: Plain(name).to_string(), content });
        self.flaw(&flaw, None);
    }

    fn text(&mut self, name: &str, content: String) {
        let reading = document::read(&content);
        self.texts.push(Text { name: Plain(name).to_string(), content });
        for flaw in &reading.flaws {
            self.flaw(flaw, None);
        }
        for Located { policy, name_at } in reading.policies {
            let spot = Spot { text: self.texts.len() - 1, at: name_at };
            let first = self.names.get(&policy.id.name).cloned();
            if let Some(first) = first {
                let message = format!("policy {} is defined twice", Quoted(&policy.id.name));
                self.flaw(&Flaw { at: spot.at, message }, Some(&first));
            } else {
                self.names.insert(policy.id.name.clone(), spot);
                self.policies.push(policy);
            }
        }
    }

    /// Something wrong with the text read last; `earlier` is what it clashes with.
    fn flaw(&mut self, flaw: &Flaw, earlier: Option<&Spot>) {
        // Nobody reads more, and a picture costs a walk through its text.
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        let Flaw { at, message } = flaw;
        let spot = Spot { text: self.texts.len() - 1, at: at.clone() };
        let (line, column) = spot.line_and_column(&self.texts);
        self.faults.push(Fault::Flaw {
            file: self.texts.last().map(|text| text.name.clone()).unwrap_or_default(),
            line,
            column,
            message: message.clone(),
            picture: picture::draw(message, &spot, earlier, &self.texts),
        });
    }

    fn finish(self) -> Result<PolicySet, LoadError> {
        if self.faults.is_empty() {
            Ok(PolicySet::new(self.policies))
        } else {
            Err(LoadError { faults: self.faults })
        }
    }
}

/// The files of a folder that hold policies, by name.
fn policy_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let extension = path.extension().and_then(|extension| extension.to_str());
        let named = extension.is_some_and(|extension| EXTENSIONS.contains(&extension));
        // A link to nowhere is kept, so that reading it says so.
        if named && !hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let failed = |source| Fault::Unreadable { path: path.to_owned(), source };
    // Opening a pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Fault::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Fault::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn generations(paths: &[PathBuf]) -> Vec<Option<PathBuf>> {
    paths.iter().map(|path| fs::read_link(path.join(GENERATION_LINK)).ok()).collect()
}
