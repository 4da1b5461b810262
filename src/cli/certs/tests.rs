use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_can_be_read_by_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let issued = issue(&folder.path().join("a/b"), &[], 1, false).unwrap();
    assert_eq!(mode(&issued.key), 0o600);
    assert_eq!(mode(&issued.ca_key), 0o600);
    assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 4);
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let issued = issue(folder.path(), &[], 1, false).unwrap();
    let before = fs::read(&issued.certificate).unwrap();
    assert!(issue(folder.path(), &[], 1, false).unwrap_err().is::<Misuse>());
    assert_eq!(fs::read(&issued.certificate).unwrap(), before);
    issue(folder.path(), &[], 1, true).unwrap();
    assert_ne!(fs::read(&issued.certificate).unwrap(), before);
    assert_eq!(mode(&issued.key), 0o600);
}

/// With only three of four replaced, certificate and key would be no pair.
#[test]
fn what_a_run_that_was_cut_off_left_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tls.crt.new", "ca.key.new"] {
        fs::write(folder.path().join(name), "half").unwrap();
    }
    issue(folder.path(), &[], 1, false).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn one_file_alone_is_not_overwritten_either() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tls.crt"), "mine").unwrap();
    issue(folder.path(), &[], 1, false).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn hosts_are_names_or_addresses() {
    for good in ["postern.security.svc", "*.example.com", "10.0.0.1", "::1", "a"] {
        assert!(good.parse::<ServerName>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "-a", "a..b", "10.0.0.300", "https://a", "a:1", "a\n"] {
        assert!(bad.parse::<ServerName>().is_err(), "{bad}");
    }
}

#[test]
fn a_further_host_that_is_known_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let issued = issue(folder.path(), &["localhost", "extra.example"], 1, false).unwrap();
    assert_eq!(issued.hosts.len(), HOSTS.len() + 1);
}
