//! Holds the pages to the programs: examples parse, keys and defaults are those of the code, links lead somewhere.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; outside of #[test] clippy can't see that"
)]

mod configuration;
mod links;

use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
