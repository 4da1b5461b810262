//! Image references, parsed once and matched part by part.
//!
//! The grammar is that of the `distribution/reference` package which container runtimes use:
//! `[registry[:port]/]repository[:tag][@algorithm:hex]`. A crate that does this exists (`oci-spec`);
//! it accepts letters outside ASCII in tags, does not fold the registry's case or its default port,
//! and its expression alone costs megabytes. It serves the tests as a second opinion instead.

mod alias;
mod pattern;

use std::fmt;

pub use alias::{Alias, AliasError};
pub use pattern::{ImagePattern, ListKind, PatternError};

/// Longest reference that is looked at, in bytes: a 255-byte name, a tag and a digest fit.
pub const MAX_REFERENCE_BYTES: usize = 1024;
const MAX_NAME_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;
const HUB: &str = "docker.io";
/// Where a name of one word is at the hub.
const LIBRARY: &str = "library/";
const ID_ALGORITHM: &str = "sha256";
const ID_DIGITS: usize = 64;

/// A parsed image reference, in the form a runtime would resolve.
///
/// `busybox` is `docker.io/library/busybox:latest`; the registry is lower case and has no `:443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// Host and port, lower case: `docker.io`, `registry.example.com:5000`.
    pub registry: String,
    /// Path below the registry: `library/busybox`.
    pub repository: String,
    /// The tag; `latest` where neither tag nor digest was given.
    pub tag: Option<String>,
    /// `sha256:…`; where there is one, a runtime ignores the tag.
    pub digest: Option<String>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// Longer than any runtime accepts.
    #[error("it is too long")]
    TooLong,
    /// A character that no reference may hold.
    #[error("it holds a character that image references cannot hold")]
    Character,
    /// The part before the first `/`.
    #[error("its registry is not a host name or address")]
    Registry,
    /// The path.
    #[error("its repository is not lower-case words divided by `/`")]
    Repository,
    /// The part behind `:`.
    #[error("its tag is not valid")]
    Tag,
    /// The part behind `@`.
    #[error("its digest is not `sha256:` and 64 hex digits, or `sha512:` and 128")]
    Digest,
    /// A node that has such an image runs it, wherever it is from; a registry is not asked.
    #[error("it is the id of an image that a node has already, not the name of one")]
    NodeId,
}

impl ImageRef {
    /// Parses what a container's `image` field holds.
    ///
    /// # Errors
    ///
    /// What is wrong with it; such an image is refused by every policy.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let Parts { registry, repository, tag, digest } = Parts::split(text)?;
        let registry = match registry {
            // No runtime takes an IPv6 address that ends as one of IPv4 does.
            Some(host) if host.starts_with('[') && host.contains('.') => {
                return Err(ImageError::Registry);
            }
            Some(host) => normal_registry(host)?,
            None => HUB.to_owned(),
        };
        let repository = hub_library(&registry, repository);
        if registry.len() + 1 + repository.len() > MAX_NAME_BYTES {
            return Err(ImageError::TooLong);
        }
        if !repository.split('/').all(is_path_component) {
            return Err(ImageError::Repository);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ImageError::Tag);
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(ImageError::Digest);
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { registry, repository, tag, digest: digest.map(str::to_owned) })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The first pattern that covers an image, under its own name or under one that aliases give it.
#[must_use]
pub fn covering<'p>(
    patterns: &'p [ImagePattern],
    aliases: &[Alias],
    image: &ImageRef,
    kind: ListKind,
) -> Option<&'p ImagePattern> {
    let others: Vec<_> = aliases.iter().filter_map(|alias| alias.apply(image, kind)).collect();
    patterns.iter().find(|pattern| {
        pattern.matches(image, kind) || others.iter().any(|other| pattern.matches(other, kind))
    })
}

/// A reference or pattern cut at its separators, not yet judged.
struct Parts<'a> {
    registry: Option<&'a str>,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, ImageError> {
        if text.is_empty() {
            return Err(ImageError::Empty);
        }
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(ImageError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@[]*".contains(&b)) {
            return Err(ImageError::Character);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (Some(first), path),
            _ => (None, name),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let parts = Self { registry, repository, tag, digest };
        if parts.is_node_id() { Err(ImageError::NodeId) } else { Ok(parts) }
    }

    /// What runtimes look for among the ids of their images: `sha256:` with all of one or its
    /// beginning (`LocalResolve` in containerd), and 64 digits, which `distribution/reference`
    /// takes for no name.
    fn is_node_id(&self) -> bool {
        let Self { registry, repository, tag, digest } = self;
        let whole = tag.is_none() && digest.is_none() && repository.len() == ID_DIGITS;
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        registry.is_none()
            && ((*repository == ID_ALGORITHM && tag.is_some()) || (whole && is_digits(repository)))
    }
}

/// The first segment is a registry if it could not be a Docker Hub user: it has a dot, a port or a
/// capital letter, is `localhost`, an IPv6 address, or (in a pattern) a wildcard alone.
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first == "*"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

/// Lower case, without the port that HTTPS implies and without the aliases of Docker Hub.
fn normal_registry(host: &str) -> Result<String, ImageError> {
    let (name, port) = if let Some(bracketed) = host.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']').ok_or(ImageError::Registry)?;
        let address: core::net::Ipv6Addr = address.parse().map_err(|_| ImageError::Registry)?;
        // Whoever connects to an address of IPv4 in the form of IPv6 comes to the same server.
        let mapped = address.to_ipv4_mapped();
        (mapped.map_or_else(|| format!("[{address}]"), |address| address.to_string()), port)
    } else {
        let (name, port) = host.find(':').map_or((host, ""), |colon| host.split_at(colon));
        if !name.split('.').all(is_host_label) {
            return Err(ImageError::Registry);
        }
        (name.to_ascii_lowercase(), port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(ImageError::Registry),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse::<u16>().map_err(|_| ImageError::Registry)?)
        }
        Some(_) => return Err(ImageError::Registry),
    };
    let name = match name.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => HUB.to_owned(),
        _ => name,
    };
    // A bare word with neither dot nor port is a user of Docker Hub, however it is spelled.
    let is_host = name == "localhost" || name.contains(['.', '[']);
    match port {
        None if !is_host => Err(ImageError::Registry),
        None => Ok(name),
        Some(443) if is_host => Ok(name),
        Some(port) => Ok(format!("{name}:{port}")),
    }
}

fn hub_library(registry: &str, repository: &str) -> String {
    if registry == HUB && !repository.contains('/') {
        format!("{LIBRARY}{repository}")
    } else {
        repository.to_owned()
    }
}

fn is_host_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    !bytes.is_empty()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Lower-case words joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().next_back()) else {
        return false;
    };
    is_word(first)
        && is_word(last)
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= MAX_TAG_BYTES
        && tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests;
