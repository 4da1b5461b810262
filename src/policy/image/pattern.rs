//! Patterns of image lists.

use wildmatch::WildMatchPattern;

use super::{
    HUB, ImageError, ImageRef, LIBRARY, Parts, hub_library, is_digest, is_path_component, is_tag,
    normal_registry,
};

/// A pattern of an image list: `registry.example.com/debug/**`, `busybox:1.36`, `**`.
///
/// `*` stays within one path segment, `**` stands for any number of them. Without a registry the
/// pattern speaks of Docker Hub, as images do. A pattern without tag or digest matches every one.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePattern {
    text: String,
    registry: RegistryPattern,
    segments: Vec<SegmentPattern>,
    tag: Option<Wild>,
    digest: Option<String>,
}

/// `*` is the only wildcard; `?` has no meaning of its own, so it is given to a character that
/// cannot occur.
type Wild = WildMatchPattern<'*', '\0'>;

#[derive(Debug, Clone, PartialEq)]
enum RegistryPattern {
    Any,
    Exact(String),
    /// `*.example.com`: any host below, kept with its leading dot.
    Below(String),
}

#[derive(Debug, Clone, PartialEq)]
enum SegmentPattern {
    /// `**`
    Many,
    /// A word, with or without `*`.
    One(Wild),
}

/// Which question a list asks; they differ where a tag and a digest are both given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// A tag pattern does not match a reference that also has a digest: the digest decides what
    /// runs, so `busybox:1.36@sha256:…` may be anything at all.
    Allow,
    /// A tag pattern matches by the tag alone: a digest must not talk its way out of a deny. Nor
    /// must a port: a host without one is the host at every port.
    Deny,
}

/// Why a text is not an image pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// As for a reference.
    #[error("{0}")]
    Image(ImageError),
    /// A wildcard where it would match hosts of other owners.
    #[error("in a registry `*` may only stand alone or as the first label, as in `*.example.com`")]
    RegistryWildcard,
    /// `registry.example.com`, which a runtime would look for on Docker Hub.
    #[error(
        "it reads as an image of Docker Hub: write `HOST/**` for what a registry has, or \
         `docker.io/library/NAME`"
    )]
    HostAlone,
    /// `a**` or `**b`
    #[error("`**` must be a whole path segment")]
    PartialDoubleStar,
}

impl ImagePattern {
    /// Parses one entry of `images.allow` or `images.deny`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let Parts { registry, repository, tag, digest } =
            Parts::split(text).map_err(PatternError::Image)?;
        let (registry, repository) = match registry {
            Some(host) => {
                let registry = RegistryPattern::parse(host)?;
                let repository = match &registry {
                    // As of images: `docker.io/busybox` is `docker.io/library/busybox`.
                    RegistryPattern::Exact(host) if repository != "**" => {
                        hub_library(host, repository)
                    }
                    _ => repository.to_owned(),
                };
                (registry, repository)
            }
            // `**` alone, or in front, speaks of every registry.
            None if repository == "**" || repository.starts_with("**/") => {
                (RegistryPattern::Any, repository.to_owned())
            }
            None if !repository.contains('/')
                && (repository.contains('.') || repository == "localhost") =>
            {
                return Err(PatternError::HostAlone);
            }
            None => (RegistryPattern::Exact(HUB.to_owned()), hub_library(HUB, repository)),
        };
        let segments =
            repository.split('/').map(SegmentPattern::parse).collect::<Result<_, _>>()?;
        if tag.is_some_and(|tag| !is_tag(&tag.replace('*', "x"))) {
            return Err(PatternError::Image(ImageError::Tag));
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(PatternError::Image(ImageError::Digest));
        }
        Ok(Self {
            text: text.to_owned(),
            registry,
            segments,
            tag: tag.map(Wild::new),
            digest: digest.map(str::to_owned),
        })
    }

    /// The pattern as its author wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern covers `image`.
    #[must_use]
    pub fn matches(&self, image: &ImageRef, kind: ListKind) -> bool {
        self.registry.matches(&image.registry, kind)
            && self.repository_matches(image)
            && self.tag_matches(image, kind)
            && self.digest.as_ref().is_none_or(|digest| image.digest.as_ref() == Some(digest))
    }

    /// As of images: `*/busybox` at Docker Hub is `docker.io/library/busybox`.
    fn repository_matches(&self, image: &ImageRef) -> bool {
        let library = || image.repository.strip_prefix(LIBRARY).filter(|_| image.registry == HUB);
        segments_match(&self.segments, &image.repository)
            || (self.has_one_word()
                && library().is_some_and(|name| segments_match(&self.segments, name)))
    }

    fn has_one_word(&self) -> bool {
        matches!(self.segments[..], [SegmentPattern::One(_)])
    }

    /// The pattern as Docker Hub understands it, where that is another one.
    fn in_library(&self) -> Option<Self> {
        let here = self.has_one_word() && self.registry.matches(HUB, ListKind::Allow);
        here.then(|| {
            let library = SegmentPattern::One(Wild::new(LIBRARY.trim_end_matches('/')));
            let segments = [library].into_iter().chain(self.segments.iter().cloned()).collect();
            Self { registry: RegistryPattern::Exact(HUB.to_owned()), segments, ..self.clone() }
        })
    }

    fn tag_matches(&self, image: &ImageRef, kind: ListKind) -> bool {
        let Some(pattern) = &self.tag else { return true };
        // With a digest in the pattern too, the digest has said it all.
        if self.digest.is_some() {
            return true;
        }
        if kind == ListKind::Allow && image.digest.is_some() {
            return false;
        }
        image.tag.as_deref().is_some_and(|tag| pattern.matches(tag))
    }

    /// Whether it names a tag and no digest, and so allows no image that names a digest.
    #[must_use]
    pub fn is_by_tag(&self) -> bool {
        self.tag.is_some() && self.digest.is_none()
    }

    /// Whether a list that denies this pattern surely denies all that one allows by `other`. Two
    /// patterns with wildcards may be so and not be found out.
    #[must_use]
    pub fn denies_all_of(&self, other: &Self) -> bool {
        let mine = self.in_library();
        let denied = |other| {
            self.denies_as_written(other)
                || mine.as_ref().is_some_and(|mine| mine.denies_as_written(other))
        };
        denied(other) && other.in_library().as_ref().is_none_or(denied)
    }

    fn denies_as_written(&self, other: &Self) -> bool {
        let path = match self.segments.split_last() {
            Some((SegmentPattern::Many, above)) => other.segments.starts_with(above),
            _ => self.segments == other.segments,
        };
        let tag = self.tag.is_none()
            || self.digest.is_some()
            || (self.tag == other.tag && other.digest.is_none());
        let digest = self.digest.is_none() || self.digest == other.digest;
        self.registry.covers(&other.registry) && path && tag && digest
    }

    /// A reference that this pattern allows and that comes closest to `asked`: the pattern itself
    /// where it is literal, or its fixed part with the last word of what was asked.
    #[must_use]
    pub fn example_near(&self, asked: &str) -> Option<String> {
        let word = last_word(asked);
        let text = match self.text.strip_suffix("**") {
            Some(fixed) if fixed.ends_with('/') => format!("{fixed}{word}"),
            _ => match self.text.strip_suffix("/*") {
                Some(fixed) => format!("{fixed}/{word}"),
                None => self.text.clone(),
            },
        };
        let image = ImageRef::parse(&text).ok()?;
        self.matches(&image, ListKind::Allow).then_some(text)
    }
}

impl RegistryPattern {
    fn parse(host: &str) -> Result<Self, PatternError> {
        if host == "*" || host == "**" {
            return Ok(Self::Any);
        }
        if let Some(below) = host.strip_prefix("*.") {
            let below = normal_registry(below).map_err(|_| PatternError::RegistryWildcard)?;
            return Ok(Self::Below(format!(".{below}")));
        }
        if host.contains('*') {
            return Err(PatternError::RegistryWildcard);
        }
        normal_registry(host).map(Self::Exact).map_err(PatternError::Image)
    }

    fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exact(host) => self.matches(host, ListKind::Deny),
            Self::Any | Self::Below(_) => *self == Self::Any || self == other,
        }
    }

    fn matches(&self, registry: &str, kind: ListKind) -> bool {
        let below = |suffix: &str, name: &str| name.len() > suffix.len() && name.ends_with(suffix);
        match self {
            Self::Any => true,
            Self::Exact(host) => {
                host == registry || (kind == ListKind::Deny && host == without_port(registry))
            }
            Self::Below(suffix) => {
                below(suffix, registry)
                    || (kind == ListKind::Deny && below(suffix, without_port(registry)))
            }
        }
    }
}

impl SegmentPattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "**" {
            return Ok(Self::Many);
        }
        if text.contains("**") {
            return Err(PatternError::PartialDoubleStar);
        }
        if !is_path_component(&text.replace('*', "x")) {
            return Err(PatternError::Image(ImageError::Repository));
        }
        Ok(Self::One(Wild::new(text)))
    }
}

/// The host alone; of `[::1]:5000` the address in its brackets.
pub(super) fn without_port(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => registry,
    }
}

/// Two-pointer wildcard matching over path segments: linear but for one retry point.
fn segments_match(patterns: &[SegmentPattern], repository: &str) -> bool {
    let mut rest = repository.split('/');
    let mut patterns = patterns.iter();
    let mut retry = None;
    loop {
        let mut after_pattern = patterns.clone();
        let mut after_segment = rest.clone();
        match (after_pattern.next(), after_segment.next()) {
            (None, None) => return true,
            (Some(SegmentPattern::Many), _) => {
                retry = Some((after_pattern.clone(), rest.clone()));
                patterns = after_pattern;
                continue;
            }
            (Some(SegmentPattern::One(word)), Some(segment)) if word.matches(segment) => {
                (patterns, rest) = (after_pattern, after_segment);
                continue;
            }
            _ => {}
        }
        // Let the last `**` swallow one segment more.
        let Some((after_many, mut swallowed)) = retry.take() else { return false };
        if swallowed.next().is_none() {
            return false;
        }
        retry = Some((after_many.clone(), swallowed.clone()));
        (patterns, rest) = (after_many, swallowed);
    }
}

/// `netshoot` of `docker.io/nicolaka/netshoot:v1`.
fn last_word(asked: &str) -> &str {
    let name = asked.split('@').next().unwrap_or(asked);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}
