//! A pod's volumes, by name and kind.

use std::borrow::Cow;

/// One of the pod's volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// `name`
    pub name: String,
    /// The key of its source as the API spells it: `hostPath`, `secret`, `emptyDir`, …
    pub kind: Cow<'static, str>,
}

/// The kinds of core/v1 `VolumeSource`, sorted; a test compares them with the API's own list.
pub const VOLUME_KINDS: [&str; 30] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];

/// The kind that a key of a volume is, copied only where it is one that is not known.
#[must_use]
pub fn kind_of(key: Cow<'_, str>) -> Cow<'static, str> {
    match VOLUME_KINDS.binary_search(&key.as_ref()) {
        Ok(known) => VOLUME_KINDS.get(known).copied().unwrap_or_default().into(),
        Err(_) => key.into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_and_any_other_is_kept() {
        for kind in VOLUME_KINDS {
            assert!(matches!(kind_of(kind.into()), Cow::Borrowed(known) if known == kind));
        }
        for other in ["", "emptydir", "zfs", "aws"] {
            assert_eq!(kind_of(other.into()), other);
        }
    }
}
