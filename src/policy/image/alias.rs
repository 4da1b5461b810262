//! Registries that hold what another registry holds: mirrors and pull-through caches.

use super::pattern::without_port;
use super::{
    HUB, ImageError, ImageRef, ListKind, Parts, hub_library, is_path_component, normal_registry,
};

/// Everything below one place counts as if it lay below another:
/// `mirror.example.com/hub/**` as `docker.io/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    from: Below,
    to: Below,
}

/// Why two texts are not an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// It has to be everything below a place, or it would speak of images by half their name.
    #[error("it must be a registry, words of a path, and `/**` at the end")]
    Shape,
    /// As for a reference.
    #[error("{0}")]
    Image(ImageError),
}

/// A registry and the beginning of a path in it, without the `/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Below {
    registry: String,
    path: String,
}

impl Alias {
    /// Parses both sides.
    ///
    /// # Errors
    ///
    /// What is wrong with the first side that is wrong.
    pub fn parse(from: &str, to: &str) -> Result<Self, AliasError> {
        Ok(Self { from: Below::parse(from)?, to: Below::parse(to)? })
    }

    /// What `image` counts as in such a list, if it lies below the alias.
    #[must_use]
    pub fn apply(&self, image: &ImageRef, kind: ListKind) -> Option<ImageRef> {
        let Self { from, to } = self;
        let rest = from.rest_of(image, kind)?;
        let repository = match to.path.as_str() {
            "" => hub_library(&to.registry, rest),
            path => format!("{path}/{rest}"),
        };
        Some(ImageRef { registry: to.registry.clone(), repository, ..image.clone() })
    }

    /// Whether what this makes of an image may lie below another alias, which is not applied then.
    #[must_use]
    pub fn leads_to(&self, other: &Self) -> bool {
        let (here, there) = (&self.to, &other.from);
        let within = |path: &str, place: &str| rest_below(path, place).is_some() || path == place;
        there.has(&here.registry, ListKind::Deny)
            && (within(&here.path, &there.path) || within(&there.path, &here.path))
    }
}

impl Below {
    fn parse(text: &str) -> Result<Self, AliasError> {
        let place = text.strip_suffix("/**").ok_or(AliasError::Shape)?;
        // A path is always there: without one, a registry alone would read as a word of Docker Hub.
        let whole = format!("{place}/x");
        let Parts { registry, repository, tag, digest } =
            Parts::split(&whole).map_err(AliasError::Image)?;
        if tag.is_some() || digest.is_some() {
            return Err(AliasError::Shape);
        }
        let registry = match registry {
            Some(host) => normal_registry(host).map_err(AliasError::Image)?,
            None => HUB.to_owned(),
        };
        let path = repository.strip_suffix("/x").unwrap_or_default();
        if !path.is_empty() && !path.split('/').all(is_path_component) {
            return Err(AliasError::Shape);
        }
        Ok(Self { registry, path: path.to_owned() })
    }

    fn rest_of<'a>(&self, image: &'a ImageRef, kind: ListKind) -> Option<&'a str> {
        self.has(&image.registry, kind).then(|| rest_below(&image.repository, &self.path))?
    }

    /// A port does not talk its way out of a deny, as in patterns.
    fn has(&self, registry: &str, kind: ListKind) -> bool {
        self.registry == registry
            || (kind == ListKind::Deny && self.registry == without_port(registry))
    }
}

/// What is left of a path below a place in it.
fn rest_below<'a>(path: &'a str, place: &str) -> Option<&'a str> {
    if place.is_empty() { Some(path) } else { path.strip_prefix(place)?.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_as(from: &str, to: &str, image: &str) -> Option<String> {
        let image = ImageRef::parse(image).unwrap();
        let alias = Alias::parse(from, to).unwrap();
        alias.apply(&image, ListKind::Allow).map(|image| image.to_string())
    }

    #[test]
    fn what_a_mirror_holds_counts_as_what_it_mirrors() {
        let hub = |image| counts_as("mirror.example.com/hub/**", "docker.io/**", image);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(hub("mirror.example.com/hub/busybox:1"), some("docker.io/library/busybox:1"));
        assert_eq!(hub("mirror.example.com/hub/a/b"), some("docker.io/a/b:latest"));
        for other in ["mirror.example.com/hubs/a", "mirror.example.com/hub", "docker.io/hub/a"] {
            assert_eq!(hub(other), None, "{other}");
        }
        let deeper = counts_as("m.example.com/**", "r.example.com/team/x/**", "m.example.com/a/b");
        assert_eq!(deeper, some("r.example.com/team/x/a/b:latest"));
        let words = counts_as("acme/**", "r.example.com/acme/**", "acme/tool:2");
        assert_eq!(words, some("r.example.com/acme/tool:2"));
    }

    #[test]
    fn a_port_does_not_lead_out_of_a_deny() {
        let alias = Alias::parse("m.example.com/**", "docker.io/**").unwrap();
        let image = ImageRef::parse("m.example.com:8443/evil/x").unwrap();
        assert_eq!(alias.apply(&image, ListKind::Allow), None);
        let counts = alias.apply(&image, ListKind::Deny).unwrap();
        assert_eq!(counts.to_string(), "docker.io/evil/x:latest");
        let deny = [super::super::ImagePattern::parse("docker.io/evil/**").unwrap()];
        let covered =
            |kind| super::super::covering(&deny, std::slice::from_ref(&alias), &image, kind);
        assert!(covered(ListKind::Deny).is_some() && covered(ListKind::Allow).is_none());
    }

    #[test]
    fn what_one_alias_makes_may_lie_below_another() {
        let leads = |to: &str, from: &str| {
            let first = Alias::parse("a.example.com/**", to).unwrap();
            first.leads_to(&Alias::parse(from, "docker.io/**").unwrap())
        };
        assert!(leads("b.example.com/**", "b.example.com/**"));
        assert!(leads("b.example.com/hub/**", "b.example.com/**"));
        assert!(leads("b.example.com/**", "b.example.com/hub/**"));
        assert!(leads("b.example.com:5000/hub/**", "b.example.com/hub/**"));
        assert!(leads("acme/**", "docker.io/acme/**"));
        assert!(!leads("b.example.com/hub/**", "b.example.com/hubs/**"));
        assert!(!leads("b.example.com/**", "b.example.com:5000/**"));
        assert!(!leads("docker.io/**", "b.example.com/**"));
    }

    #[test]
    fn both_sides_are_everything_below_a_place() {
        for text in ["mirror.example.com", "m.example.com/a*/**", "m.example.com/a:1/**", "**"] {
            let from = Alias::parse(text, "docker.io/**");
            assert!(from.is_err() && Alias::parse("m.example.com/**", text).is_err(), "{text}");
        }
    }
}
