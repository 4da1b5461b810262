use std::os::unix::fs::symlink;

use super::*;

/// Well below [`POLL`]: what is seen within it was told, not found.
const SOON: Duration = Duration::from_secs(3);

async fn changes(watch: &mut Watch) -> bool {
    timeout(SOON, watch.changed()).await.is_ok()
}

#[tokio::test]
async fn a_file_written_in_place_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "one").unwrap();
    let mut watch = Watch::new(&[folder.path().to_owned()]);
    fs::write(folder.path().join("a.yaml"), "two").unwrap();
    assert!(changes(&mut watch).await);
}

#[tokio::test]
async fn a_file_touched_without_a_difference_is_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "one").unwrap();
    let mut watch = Watch::new(&[folder.path().to_owned()]);
    fs::write(folder.path().join("a.yaml"), "one").unwrap();
    assert!(!changes(&mut watch).await);
}

#[tokio::test]
async fn a_swapped_config_map_is_a_change_every_time() {
    let mount = tempfile::tempdir().unwrap();
    let version = |name: &str, content: &str| {
        let folder = mount.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.yaml"), content).unwrap();
        symlink(name, mount.path().join("..data_tmp")).unwrap();
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    };
    version("..2026_01", "one");
    symlink("..data/a.yaml", mount.path().join("a.yaml")).unwrap();

    let mut folder = Watch::new(&[mount.path().to_owned()]);
    let mut file = Watch::new(&[mount.path().join("a.yaml")]);
    version("..2026_02", "two");
    assert!(changes(&mut folder).await);
    assert!(changes(&mut file).await);
    // A watch on the file itself would be deaf by now.
    version("..2026_03", "three");
    assert!(changes(&mut folder).await);
    assert!(changes(&mut file).await);
}

#[tokio::test]
async fn a_folder_that_is_itself_a_link_is_followed_to_its_new_target() {
    let above = tempfile::tempdir().unwrap();
    for (name, content) in [("one", "1"), ("two", "2")] {
        fs::create_dir(above.path().join(name)).unwrap();
        fs::write(above.path().join(name).join("a.yaml"), content).unwrap();
    }
    let link = above.path().join("policies");
    symlink("one", &link).unwrap();
    let mut watch = Watch::new(std::slice::from_ref(&link));

    symlink("two", above.path().join("next")).unwrap();
    fs::rename(above.path().join("next"), &link).unwrap();
    assert!(changes(&mut watch).await);
    // And the watch has moved along.
    fs::write(above.path().join("two/a.yaml"), "3").unwrap();
    assert!(changes(&mut watch).await);
}

#[tokio::test]
async fn what_happens_beside_a_watched_folder_is_no_change() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("policies");
    fs::create_dir(&folder).unwrap();
    let mut watch = Watch::new(std::slice::from_ref(&folder));
    fs::write(above.path().join("other"), "x").unwrap();
    assert!(!changes(&mut watch).await);
}

#[tokio::test]
async fn a_folder_that_appears_later_is_a_change() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("policies");
    let mut watch = Watch::new(std::slice::from_ref(&folder));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.yaml"), "one").unwrap();
    assert!(changes(&mut watch).await);
}
