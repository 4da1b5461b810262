//! What can be told of one review to whoever follows requests across programs.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Summary;

/// The span that a request came from, as W3C Trace Context has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Of the whole trace.
    pub trace: u128,
    /// Of the caller's part of it.
    pub span: u64,
    /// Whether anybody wants to know.
    pub sampled: bool,
}

/// The moments between the steps of the conveyor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The body was there.
    pub read: Instant,
    /// It was understood.
    pub decoded: Instant,
    /// Everything that had to be asked of others was answered.
    pub looked_up: Instant,
    /// It was judged.
    pub judged: Instant,
    /// It was written down, or did not have to be.
    pub recorded: Instant,
}

/// A review that was answered.
#[derive(Debug, Clone)]
pub struct Traced {
    /// Where it came from.
    pub parent: Option<Parent>,
    /// When it came.
    pub time: Timestamp,
    /// How long all of it took.
    pub took: Duration,
    /// What was answered.
    pub summary: Summary,
    /// What policy says: `allowed`, `refused` or `none`.
    pub verdict: &'static str,
    /// The pod's namespace and name.
    pub pod: (String, String),
    /// Each step that was taken: its name, when it began after the review came, how long it took.
    pub steps: Vec<(&'static str, Duration, Duration)>,
}

/// Is told of every review, and never waited for.
pub trait Tracer: std::fmt::Debug + Send + Sync {
    /// This was answered.
    fn trace(&self, traced: Traced);
}

impl Parent {
    /// Reads a `traceparent`: `00-TRACE-SPAN-FLAGS`, in lower-case hexadecimal. Later versions may
    /// go on after that.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let mut part = |length: usize| {
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let ended = parts.next().is_none();
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let span = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let is_valid = version != "ff" && (ended || version != "00") && trace != 0 && span != 0;
        is_valid.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl Steps {
    /// All of them at once: nothing has been done yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { read: now, decoded: now, looked_up: now, judged: now, recorded: now }
    }

    /// Each step with its beginning and its length, until the answer was ready.
    #[must_use]
    pub fn spans(
        &self,
        started: Instant,
        ended: Instant,
    ) -> Vec<(&'static str, Duration, Duration)> {
        let Self { read, decoded, looked_up, judged, recorded } = *self;
        let moments = [
            ("read", started, read),
            ("decode", read, decoded),
            ("look up", decoded, looked_up),
            ("judge", looked_up, judged),
            ("record", judged, recorded),
            ("respond", recorded, ended),
        ];
        let span = |(name, from, to): (&'static str, Instant, Instant)| {
            (name, from.saturating_duration_since(started), to.saturating_duration_since(from))
        };
        moments.into_iter().map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_as_the_standard_has_it() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = Parent {
            trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span: 0x00f0_67aa_0ba9_02b7,
            sampled: true,
        };
        assert_eq!(Parent::parse(header), Some(parent));
        let unsampled = header.replace("-01", "-00");
        assert_eq!(Parent::parse(&unsampled), Some(Parent { sampled: false, ..parent }));
        let later = header.replacen("00-", "01-", 1) + "-what-comes";
        assert_eq!(Parent::parse(&later), Some(parent));
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::parse(wrong), None, "{wrong}");
        }
    }
}
