//! Which files are case files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];

/// The case files below these paths, by name. A path that is a file is one whatever it is called.
///
/// # Errors
///
/// A path is not there, or there is none below it.
pub(super) fn case_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let called = || path.display().to_string();
        if !fs::metadata(path).with_context(called)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        below(path, &mut files).with_context(called)?;
        if files.len() == before {
            bail!(
                "{}: no case file is in it; one is called cases.yaml or NAME.cases.yaml",
                path.display()
            );
        }
    }
    let mut seen: Vec<PathBuf> = Vec::new();
    files.retain(|file| {
        let is_new = !seen.contains(file);
        if is_new {
            seen.push(file.clone());
        }
        is_new
    });
    Ok(files)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        // A link to a folder is not followed: it may lead back up.
        if entry.file_type()?.is_dir() {
            below(&path, files)?;
        } else if is_case_file(&name) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_case_file(name: &str) -> bool {
    let stem = EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension));
    stem.is_some_and(|stem| stem == "cases" || stem.ends_with(".cases"))
}
