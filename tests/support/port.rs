//! Ports for programs that must be told theirs before they start.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

/// A loopback port that no other test run takes as long as this value lives.
#[derive(Debug)]
pub(crate) struct Port {
    /// The number.
    pub(crate) number: u16,
    _claim: File,
}

impl Port {
    /// Finds a free one. `claims` is a folder that all test runs of a user share.
    ///
    /// Asking the kernel for a free port and closing it again would leave a gap in which another
    /// run, or any outgoing connection, is given the same one. So the numbers come from below the
    /// range of outgoing connections, and a lock on a file, gone with the process, holds each.
    pub(crate) fn claim(claims: &Path) -> Port {
        fs::create_dir_all(claims)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", claims.display()));
        // Where the search starts does not matter, only that two runs start apart.
        let start = (std::process::id() % 1_000) * 10;
        for step in 0..10_000 {
            let Ok(number) = u16::try_from(20_000 + (start + step) % 10_000) else { continue };
            let Ok(claim) = File::create(claims.join(number.to_string())) else { continue };
            // Not by listening there: a child that another test starts meanwhile would inherit that
            // for a moment.
            let is_free = TcpStream::connect((Ipv4Addr::LOCALHOST, number)).is_err();
            if claim.try_lock().is_ok() && is_free {
                return Port { number, _claim: claim };
            }
        }
        panic!("no port from 20000 to 29999 is free, or {} is not writable", claims.display());
    }
}
