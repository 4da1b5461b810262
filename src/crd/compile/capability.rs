//! Names of Linux capabilities.

use super::super::problem::{Fault, Findings, Place};

/// `include/uapi/linux/capability.h` up to `CAP_LAST_CAP` (Linux 5.9 and later), and all of them.
const KNOWN: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// A capability as core/v1 spells it. One that is not known may be of a newer kernel, unless it is
/// all but the name of one that is.
pub(super) fn capability(name: &str, at: &Place<'_>, findings: &mut Findings) {
    let is_name = |name: &str| {
        (2..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let upper = name.to_ascii_uppercase();
    let right = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let text = name.to_owned();
    if !is_name(right) {
        findings.add(at, Fault::Capability(text));
    } else if let Some(near) = misspelt(right) {
        findings.add(at, Fault::CapabilityNear { text, near });
    } else if right != name {
        findings.add(at, Fault::CapabilitySpelling { text, right: right.to_owned() });
    }
}

/// The known name that an unknown one misspells: one letter in four is wrong, and two at most.
fn misspelt(name: &str) -> Option<&'static str> {
    let far = |known: &&str| distance(name, known);
    let near = KNOWN.into_iter().min_by_key(far)?;
    (1..=name.len().div_euclid(4).min(2)).contains(&far(&near)).then_some(near)
}

/// How many bytes have to be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (position, byte) in one.bytes().enumerate() {
        let mut left = position + 1;
        let mut next = vec![left];
        for (letter, pair) in other.bytes().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            left = (left.min(above) + 1).min(diagonal + usize::from(letter != byte));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_known_name_is_a_misspelling_and_a_new_one_neither() {
        for name in KNOWN.into_iter().chain(["IO_URING", "NET", "USERNS", "LANDLOCK"]) {
            assert_eq!(misspelt(name), None, "{name}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_found() {
        for (slip, right) in [
            ("SYS_PTRCE", "SYS_PTRACE"),
            ("SYSPTRACE", "SYS_PTRACE"),
            ("SYS_PRTACE", "SYS_PTRACE"),
            ("NET_ADMINS", "NET_ADMIN"),
            ("NETRAW", "NET_RAW"),
            ("KILLL", "KILL"),
        ] {
            assert_eq!(misspelt(slip), Some(right), "{slip}");
        }
    }
}
