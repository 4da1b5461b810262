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

    /// Whether it can be written.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.open().map(drop)
    }

    /// Appends whole lines; they are durable once this is `Ok`. After an error some may be there,
    /// and the next call begins by taking away half a line.
    pub(super) fn append<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let appended = self.try_append(lines);
        if appended.is_err() {
            self.open = None;
        }
        appended
    }

    fn try_append<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let (mut file, mut size) = self.open()?;
        let mut pending = Vec::new();
        for line in lines {
            let length = pending.len() as u64 + line.len() as u64 + 1;
            let is_full = size + length > self.file.max_size;
            if is_full && size + pending.len() as u64 > 0 {
                file.write_all(&pending)?;
                pending.clear();
                file.sync_data()?;
                self.rotate()?;
                (file, size) = self.open()?;
            }
            pending.extend_from_slice(line.as_bytes());
            pending.push(b'\n');
        }
        file.write_all(&pending)?;
        file.sync_data()
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
        let is_free = |number: &usize| !self.numbered(*number).exists();
        let free = (1..self.file.keep).find(is_free).unwrap_or(self.file.keep);
        for number in (1..free).rev() {
            fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        fs::rename(&self.file.path, self.numbered(1))?;
        sync_folder(&self.file.path)
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = OsString::from(&self.file.path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Opens a file to append to it; makes it, readable by nobody else, where it does not exist.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if is_new {
        sync_folder(path)?;
    }
    Ok(file)
}

/// A new name is durable once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
