//! Reads a request's body within bounds: its own, and those of all bodies together.

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

const KIB: usize = 1024;
/// What is set aside on the word of `Content-Length` alone; more is set aside as bytes arrive, so
/// that a promise of 16 MiB does not shut out everybody else.
const TRUSTED: usize = 64 * KIB;

/// The memory that all bodies share, counted in KiB.
#[derive(Debug)]
pub(super) struct Memory(Semaphore);

/// A body in memory. What it occupies is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held<'m> {
    bytes: Vec<u8>,
    memory: SemaphorePermit<'m>,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// More than one body may have.
    TooLarge,
    /// All bodies together hold as much as they may.
    NoMemory,
    /// The client went away or broke the protocol.
    CutOff,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Semaphore::new((bytes / KIB).min(Semaphore::MAX_PERMITS)))
    }

    fn set_aside(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Unread> {
        let kib = u32::try_from(bytes.div_ceil(KIB)).map_err(|_| Unread::NoMemory)?;
        self.0.try_acquire_many(kib).map_err(|_| Unread::NoMemory)
    }

    #[cfg(test)]
    fn free(&self) -> usize {
        self.0.available_permits() * KIB
    }
}

impl AsRef<[u8]> for Held<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether the headers alone say that the body is larger than `limit` bytes.
pub(super) fn announces_more_than(limit: usize, headers: &HeaderMap) -> bool {
    announced(headers).is_some_and(|length| length > limit)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read<'m>(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    memory: &'m Memory,
) -> Result<Held<'m>, Unread> {
    let room = announced(headers).unwrap_or_default().min(TRUSTED).min(limit);
    let mut held = Held { bytes: Vec::with_capacity(room), memory: memory.set_aside(room)? };
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        held.append(&chunk.map_err(|_| Unread::CutOff)?, limit, memory)?;
    }
    Ok(held)
}

impl<'m> Held<'m> {
    fn append(&mut self, chunk: &Bytes, limit: usize, memory: &'m Memory) -> Result<(), Unread> {
        let length = self.bytes.len() + chunk.len();
        if length > limit {
            return Err(Unread::TooLarge);
        }
        let capacity = self.bytes.capacity();
        if length > capacity {
            // Doubling keeps the copying linear.
            let grown = length.max((capacity * 2).min(limit));
            self.memory.merge(memory.set_aside(grown - capacity)?);
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(sizes: &[usize]) -> Body {
        let chunks: Vec<Result<Bytes, std::io::Error>> =
            sizes.iter().map(|size| Ok(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(futures_util::stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_body_in_chunks_is_read_whole_and_its_memory_given_back() {
        let memory = Memory::new(100 * KIB);
        let held = read(&HeaderMap::new(), chunks(&[1, 5000, 20_000]), 50_000, &memory).await;
        let held = held.unwrap();
        assert_eq!(held.as_ref().len(), 25_001);
        assert!(memory.free() <= 100 * KIB - 25_001);
        drop(held);
        assert_eq!(memory.free(), 100 * KIB);
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_cut_at_the_limit() {
        let memory = Memory::new(100 * KIB);
        let read = read(&HeaderMap::new(), chunks(&[30_000, 30_000]), 50_000, &memory).await;
        assert_eq!(read.unwrap_err(), Unread::TooLarge);
        assert_eq!(memory.free(), 100 * KIB);
    }

    #[tokio::test]
    async fn bodies_together_hold_no_more_than_they_may() {
        let memory = Memory::new(100 * KIB);
        let first = read(&HeaderMap::new(), chunks(&[60 * KIB]), 90 * KIB, &memory).await;
        let second = read(&HeaderMap::new(), chunks(&[60 * KIB]), 90 * KIB, &memory).await;
        assert_eq!(second.unwrap_err(), Unread::NoMemory);
        drop(first);
        assert!(read(&HeaderMap::new(), chunks(&[60 * KIB]), 90 * KIB, &memory).await.is_ok());
    }

    #[tokio::test]
    async fn a_promised_length_occupies_little_until_it_is_kept() {
        let memory = Memory::new(100 * KIB);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, "16000000".parse().unwrap());
        let never =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let mut waiting = Box::pin(read(&headers, never, 16_000_000, &memory));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert!(memory.free() >= 36 * KIB);
    }
}
