use super::*;

#[test]
fn a_watch_is_well_once_it_is_heard_after_its_trouble() {
    let pulse = Pulse::default();
    let health = Health::new("policies", pulse.clone());
    let limit = Duration::from_secs(3600);
    assert_eq!(health.state(limit), Err("the policies have not been read yet".to_owned()));
    health.failed("forbidden".to_owned());
    let said = health.state(limit);
    assert_eq!(said, Err("the policies have not been read yet: forbidden".to_owned()));

    pulse.beat();
    health.synced();
    health.failed("refused".to_owned());
    let said = health.state(limit).unwrap().unwrap();
    assert!(said.starts_with("the policies are those of 0s ago, and stay in force: refused"));
    assert!(!health.is_well());
    // Whatever is heard later on shows that it works again, even if nothing is told by it.
    std::thread::sleep(Duration::from_millis(5));
    pulse.beat();
    assert_eq!(health.state(limit), Ok(None));
    assert!(health.is_well());
}

#[test]
fn silence_beyond_the_limit_counts_whether_or_not_there_was_an_error() {
    let pulse = Pulse::default();
    let health = Health::new("namespaces", pulse.clone());
    pulse.beat();
    health.synced();
    std::thread::sleep(Duration::from_millis(5));
    let said = health.state(Duration::ZERO).unwrap_err();
    assert!(said.starts_with("nothing was heard of the namespaces for 0s"), "{said}");
}
