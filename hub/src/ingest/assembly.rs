//! A snapshot under way: kept aside, bounded, whole or nothing.

use std::sync::Arc;

use hubline::wire::{EncodedResource, Names, SnapshotBegin};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use super::refuse::Refused;
use crate::cluster::Received;

/// A snapshot whose end has not come yet. Dropping it gives its memory back.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) begin: SnapshotBegin,
    pub(super) resources: Vec<Received>,
    pub(super) memory: Option<OwnedSemaphorePermit>,
    bytes: u64,
}

impl Assembly {
    pub(super) fn new(begin: SnapshotBegin) -> Self {
        Self {
            begin,
            resources: Vec::new(),
            memory: None,
            bytes: 0,
        }
    }

    /// Takes a part. Bounds are checked before anything of it is decoded.
    pub(super) fn take(
        &mut self,
        part: Vec<EncodedResource>,
        settings: &Settings,
        memory: &Arc<Semaphore>,
        names: &mut Names,
    ) -> Result<(), Refused> {
        let size: usize = part.iter().map(|it| it.bytes().len()).sum();
        self.check(part.len(), size, settings)?;
        self.reserve(size, memory)?;
        self.resources.reserve(part.len());
        for encoded in part {
            self.resources.push(read("snapshot_part", encoded, names)?);
        }
        Ok(())
    }

    fn check(&mut self, count: usize, size: usize, settings: &Settings) -> Result<(), Refused> {
        let count = (self.resources.len() + count) as u64;
        if count > settings.max_resources {
            let most = settings.max_resources;
            return Err(Refused::too_large(format!(
                "the snapshot has more than {most} resources, which is the most that this hub takes"
            )));
        }
        self.bytes += size as u64;
        if self.bytes > settings.max_snapshot_bytes {
            let most = settings.max_snapshot_bytes;
            return Err(Refused::too_large(format!(
                "the snapshot has more than {most} bytes, which is the most that this hub takes"
            )));
        }
        Ok(())
    }

    /// Never waits: sessions that each hold a part and wait for more would wait for each other.
    fn reserve(&mut self, size: usize, memory: &Arc<Semaphore>) -> Result<(), Refused> {
        let size = u32::try_from(size).map_err(|_| Refused::busy())?;
        let more = Arc::clone(memory).try_acquire_many_owned(size);
        let more = more.map_err(|_| Refused::busy())?;
        match &mut self.memory {
            Some(memory) => memory.merge(more),
            None => self.memory = Some(more),
        }
        Ok(())
    }
}

/// Reads one resource. Only one whose key cannot be read breaks the message.
pub(super) fn read(message: &'static str, encoded: EncodedResource, names: &mut Names) -> Result<Received, Refused> {
    Received::read(encoded, names).map_err(|error| Refused::wire(message, &error))
}
