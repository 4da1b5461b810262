//! JSON Lines in a file that is rotated by its size. What was appended has reached the disk.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::target::LogFile;

/// A file is looked through for its last whole line in pieces of this size.
const PIECE: u64 = 64 * 1024;

/// Writes lines.
#[derive(Debug)]
pub(super) struct Lines {
    file: LogFile,
    open: Option<File>,
}

impl Lines {
    pub(super) fn new(file: LogFile) -> Self {
        Self { file, open: None }
    }

    /// Whether it can be written, and moved on once it is full.
    pub(super) fn check(&mut self) -> io::Result<()> {
        open_folder(&self.file.path)?;
        self.open().map(drop)
    }

    /// Appends whole lines, one at least and not more than the file has room for; says how many.
    /// They are durable once this is `Ok`. After an error some may be there, and the next call
    /// begins by taking away half a line.
    ///
    /// A full file is moved on only before anything is written: nothing that is written then makes
    /// another one full when it is tried again, and pushes out what was delivered.
    pub(super) fn append<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> io::Result<usize> {
        let appended = self.try_append(lines);
        if appended.is_err() {
            self.open = None;
        }
        appended
    }

    fn try_append<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> io::Result<usize> {
        let (mut file, mut size) = self.open()?;
        let mut pending = Vec::new();
        let mut number = 0;
        for line in lines {
            let length = pending.len() as u64 + line.len() as u64 + 1;
            let is_full = size + length > self.file.max_size;
            if is_full && number > 0 {
                break;
            }
            if is_full && size > 0 {
                self.rotate()?;
                (file, size) = self.open()?;
            }
            pending.extend_from_slice(line.as_bytes());
            pending.push(b'\n');
            number += 1;
        }
        file.write_all(&pending)?;
        file.sync_data()?;
        Ok(number)
    }

    /// The file and its size. One that somebody else moved away or removed is left to them.
    fn open(&mut self) -> io::Result<(File, u64)> {
        if let Some(file) = &self.open {
            let own = file.metadata()?;
            let there = fs::metadata(&self.file.path).ok();
            if there.is_some_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
                return Ok((file.try_clone()?, own.len()));
            }
        }
        let mut file = open_private(&self.file.path)?;
        let size = drop_half_a_line(&mut file)?;
        self.open = Some(file.try_clone()?);
        Ok((file, size))
    }

    /// `ledger.jsonl` becomes `ledger.jsonl.1`, that `ledger.jsonl.2` and so on, up to the first
    /// number that is free: whoever was killed in the middle of this left one.
    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        // A move that could not be made durable is not begun.
        let folder = open_folder(&self.file.path)?;
        let is_free = |number: &usize| !self.numbered(*number).exists();
        let free = (1..self.file.keep).find(is_free).unwrap_or(self.file.keep);
        for number in (1..free).rev() {
            fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        fs::rename(&self.file.path, self.numbered(1))?;
        folder.sync_all()
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = OsString::from(&self.file.path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Opens a file to append to it; makes it, readable by nobody else, where it does not exist.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let folder = if path.exists() { None } else { Some(open_folder(path)?) };
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if let Some(folder) = folder {
        folder.sync_all()?;
    }
    Ok(file)
}

/// A new name is durable once its folder is, which only somebody who may read it can ask for.
fn open_folder(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let named = |error: io::Error| {
        let why = format!("its folder `{}` cannot be read: {error}", folder.display());
        io::Error::new(error.kind(), why)
    };
    File::open(folder).map_err(named)
}

/// Whoever was killed while writing left half a line; its entry is sent again. The size then.
fn drop_half_a_line(file: &mut File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        Read::by_ref(&mut *file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < size {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
