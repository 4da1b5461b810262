//! Files that are sent to, none of which is another's.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as a setting names it.
#[derive(Debug, Clone)]
pub struct Named {
    /// The setting.
    pub setting: &'static str,
    /// The file, or a folder of which everything below it counts.
    pub path: PathBuf,
    /// How many files beside it, with a number behind its name, are its own too.
    pub keep: usize,
}

/// A file is named twice, lies where another's lie, or is named by another's number.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` is {}{} of `--{}`{}; want a file of its own",
    path.display(),
    if *how == How::Below { "in " } else { "" },
    if other.path == *path { "the file".to_owned() } else { format!("`{}`", other.path.display()) },
    other.setting,
    if *how == How::Full { ", once that is full" } else { "" }
)]
pub struct Shared {
    /// The setting that is wrong.
    pub setting: &'static str,
    path: PathBuf,
    other: Named,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// By whatever name.
    Same,
    /// A file of that folder, or of one below it.
    Below,
    /// It is moved there when it is full.
    Full,
}

/// Whether each file that is written is nobody else's, neither of those written nor of those read.
///
/// # Errors
///
/// Two settings name one file.
pub fn apart(written: &[Named], read: &[Named]) -> Result<(), Shared> {
    for (position, file) in written.iter().enumerate() {
        let others = written.iter().take(position).chain(read);
        for other in others {
            file.spares(other)?;
            other.spares(file)?;
        }
    }
    Ok(())
}

impl Named {
    /// A file that is not rotated.
    #[must_use]
    pub fn new(setting: &'static str, path: &Path) -> Self {
        Self { setting, path: path.to_owned(), keep: 0 }
    }

    fn spares(&self, other: &Self) -> Result<(), Shared> {
        let is_same = self.places().any(|own| other.places().any(|its| its == own))
            || node(&self.path).is_some_and(|own| node(&other.path) == Some(own));
        let how = if is_same {
            How::Same
        } else if other.holds(self) {
            How::Below
        } else if self.places().any(|own| other.numbers(&own)) {
            How::Full
        } else {
            return Ok(());
        };
        let (path, other) = (self.path.clone(), other.clone());
        Err(Shared { setting: self.setting, path, other, how })
    }

    /// Whether it is a folder, and a file lies below it or is linked from it.
    fn holds(&self, file: &Self) -> bool {
        let Ok(folder) = fs::canonicalize(&self.path) else { return false };
        let Ok(linked) = fs::read_dir(&folder) else { return false };
        let written = node(&file.path);
        file.places().any(|(its, _)| its.starts_with(&folder))
            || linked.flatten().any(|it| written.is_some() && node(&it.path()) == written)
    }

    /// Where it is, and where it is said to be.
    fn places(&self) -> impl Iterator<Item = (PathBuf, OsString)> + use<'_> {
        let file = fs::canonicalize(&self.path).ok();
        [file.as_deref().and_then(place), place(&self.path)].into_iter().flatten()
    }

    /// Whether it is moved there when it is full.
    fn numbers(&self, (folder, name): &(PathBuf, OsString)) -> bool {
        let Some((own, mut begin)) = place(&self.path) else { return false };
        begin.push(".");
        let number = name.as_encoded_bytes().strip_prefix(begin.as_encoded_bytes());
        let number = number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
        own == *folder && number.is_some_and(|number: usize| (1..=self.keep).contains(&number))
    }
}

fn node(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
    Some((folder, path.file_name()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Named, apart};

    fn file(at: &Path, name: &str, keep: usize) -> Named {
        Named { setting: "forward", path: at.join(name), keep }
    }

    #[test]
    fn no_two_names_are_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("sub")).unwrap();
        fs::write(at.join("token"), "t").unwrap();
        symlink("token", at.join("linked")).unwrap();
        fs::hard_link(at.join("token"), at.join("hard")).unwrap();
        let clash = |one: (&str, usize), two: (&str, usize)| {
            let files = [file(at, one.0, one.1), file(at, two.0, two.1)];
            let error = apart(&files, &[]).err().map(|error| error.to_string());
            error.map(|error| error.replace(&format!("{}/", at.display()), ""))
        };
        for (one, two, words) in [
            (("a", 5), ("sub/../a", 0), "`sub/../a` is `a` of `--forward`; "),
            (("a", 5), ("a", 0), "`a` is the file of `--forward`; "),
            (("a", 5), ("a.5", 5), "`a.5` is `a` of `--forward`, once that is full; "),
            (("a.1", 5), ("./a", 5), "`a.1` is `./a` of `--forward`, once that is full; "),
            (("token", 0), ("linked", 0), "`linked` is `token` of `--forward`; "),
            (("hard", 0), ("linked", 0), "`linked` is `hard` of `--forward`; "),
            (("linked.1", 0), ("linked", 1), "`linked.1` is `linked` of `--forward`, once "),
        ] {
            let clash = clash(one, two).unwrap_or_default();
            assert!(clash.starts_with(words), "{one:?} {two:?}: {clash}");
        }
        for (one, two) in [(("a", 5), ("a.6", 5)), (("a", 0), ("a.1", 0)), (("a", 5), ("sub/a", 5))]
        {
            assert_eq!(clash(one, two), None);
        }
        let (written, read) =
            ([file(at, "linked", 5)], [Named::new("forward-token", &at.join("token"))]);
        let error = apart(&written, &read).unwrap_err().to_string();
        assert!(error.contains("/token` of `--forward-token`; "), "{error}");
        assert!(apart(&[], &[read[0].clone(), read[0].clone()]).is_ok());
    }

    #[test]
    fn nothing_is_written_into_a_folder_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir_all(at.join("policies/..1")).unwrap();
        fs::create_dir_all(at.join("policies-2")).unwrap();
        fs::write(at.join("policies/..1/a.yaml"), "a").unwrap();
        fs::write(at.join("shared.yaml"), "b").unwrap();
        symlink("../shared.yaml", at.join("policies/b.yaml")).unwrap();
        symlink("policies", at.join("linked")).unwrap();
        symlink("policies/..1/a.yaml", at.join("a")).unwrap();
        fs::hard_link(at.join("shared.yaml"), at.join("hard")).unwrap();
        for read in ["policies", "linked"] {
            let read = [Named::new("policies", &at.join(read))];
            let into = |name: &str| apart(&[file(at, name, 1)], &read);
            for name in [
                "policies/new",
                "policies/..1/new",
                "./linked/new",
                "a",
                "shared.yaml",
                "hard",
                "policies-2/../policies/a.yaml",
            ] {
                let error = into(name).err().map(|error| error.to_string()).unwrap_or_default();
                assert!(error.contains("` is in `"), "{name}: {error}");
                assert!(error.contains("` of `--policies`; "), "{name}: {error}");
            }
            for name in ["policies-2/new", "new", "policies.1"] {
                assert!(into(name).is_ok(), "{name}");
            }
        }
    }
}
