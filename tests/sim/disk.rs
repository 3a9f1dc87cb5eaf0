//! The hub's disk: what was synced survives a crash, of what was not some writes do and some don't.

use std::io::Error;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::chance::Chance;
use crate::life::Life;
use crate::lock;

#[derive(Debug, Default, Clone)]
struct Image {
    synced: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(u64, Vec<u8>),
    Length(u64),
}

/// What one run of the hub sees of its disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    image: Arc<Mutex<Image>>,
    life: Life,
}

impl Disk {
    pub(crate) fn empty(life: Life) -> Self {
        Self {
            image: Arc::default(),
            life,
        }
    }

    /// The disk as the next run finds it. Writes that were not synced may have reached it in any choice and order.
    pub(crate) fn after_crash(&self, life: Life, chance: &mut Chance) -> Self {
        let image = lock(&self.image);
        let mut synced = image.synced.clone();
        let kept = chance.percent(50);
        for write in &image.unsynced {
            if kept && chance.percent(50) {
                apply(&mut synced, write);
            }
        }
        let image = Image {
            current: synced.clone(),
            synced,
            unsynced: Vec::new(),
        };
        Self {
            image: Arc::new(Mutex::new(image)),
            life,
        }
    }

    fn write_down(&self, write: Write) -> Result<(), Error> {
        if self.life.is_over() {
            return Ok(());
        }
        let mut image = lock(&self.image);
        apply(&mut image.current, &write);
        image.unsynced.push(write);
        Ok(())
    }
}

fn apply(to: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Length(length) => to.resize(place(*length), 0),
        Write::Bytes(offset, bytes) => {
            let (from, until) = (place(*offset), place(*offset) + bytes.len());
            if to.len() < until {
                to.resize(until, 0);
            }
            to[from..until].copy_from_slice(bytes);
        }
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(lock(&self.image).current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let image = lock(&self.image);
        let from = place(offset);
        let Some(bytes) = image.current.get(from..from + out.len()) else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.write_down(Write::Length(length))
    }

    fn sync_data(&self) -> Result<(), Error> {
        if self.life.is_over() {
            return Ok(());
        }
        let mut image = lock(&self.image);
        let unsynced = std::mem::take(&mut image.unsynced);
        for write in &unsynced {
            apply(&mut image.synced, write);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.write_down(Write::Bytes(offset, data.to_vec()))
    }
}
