//! JSON Lines on standard output, which may be a file on a disk that fills.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Leads to whatever standard output is.
const STDOUT: &str = "/dev/stdout";

/// Prints lines.
#[derive(Debug)]
pub(super) struct Printer {
    /// Whether what is there ends within a line.
    is_torn: bool,
}

impl Printer {
    /// A file may end within the last line of a server whose disk was full.
    pub(super) fn new() -> Self {
        Self { is_torn: ends_within_a_line(STDOUT).unwrap_or(false) }
    }

    /// Prints whole lines. What is left of one that was cut off has a line of its own.
    pub(super) fn print(&mut self, lines: &[u8]) -> io::Result<()> {
        self.print_to(&mut io::stdout().lock(), lines)
    }

    fn print_to(&mut self, out: &mut impl Write, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.write_all(out, b"\n")?;
        }
        self.write_all(out, lines)?;
        out.flush()
    }

    /// As that of [`Write`], which does not tell how far it got.
    fn write_all(&mut self, out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = match out.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (written, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, b""));
            self.is_torn = !written.ends_with(b"\n");
            bytes = rest;
        }
        Ok(())
    }
}

fn ends_within_a_line(path: &str) -> io::Result<bool> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() == 0 {
        return Ok(false);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    struct Disk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fit = bytes.len().min(self.room);
            if fit == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= fit;
            self.written.extend_from_slice(&bytes[..fit]);
            Ok(fit)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn half_a_line_stands_alone_and_no_line_is_lost() {
        for (room, left) in
            [(0, ""), (2, "on\n"), (4, "one\n"), (6, "one\ntw\n"), (8, "one\ntwo\n")]
        {
            let mut disk = Disk { written: Vec::new(), room };
            let mut printer = Printer { is_torn: false };
            for attempt in 0..3 {
                let printed = printer.print_to(&mut disk, b"one\ntwo\n");
                assert_eq!(printed.is_ok(), room == 8 && attempt == 0, "{room}");
            }
            disk.room = usize::MAX;
            printer.print_to(&mut disk, b"one\ntwo\n").unwrap();
            let written = String::from_utf8(disk.written).unwrap();
            assert_eq!(written, format!("{left}one\ntwo\n"), "{room}");
        }
    }

    #[test]
    fn what_an_earlier_server_left_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for (there, is_torn) in [("", false), ("one\n", false), ("one\ntw", true)] {
            fs::write(&path, there).unwrap();
            assert_eq!(ends_within_a_line(path.to_str().unwrap()).unwrap(), is_torn, "{there}");
        }
        assert!(!ends_within_a_line("/dev/full").unwrap());
    }
}
