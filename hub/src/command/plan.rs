//! `hubline-hub plan`: merges snapshots and prints the objects that APISIX would get. Talks to nobody.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hubline::model::Snapshot;
use hubline::snapshot_file::{self, SnapshotFileError};

use crate::plan::PlanOptions;
use crate::plan::apisix_yaml::{self, RenderError};
use crate::plan::dry_run::dry_run;
use crate::plan::id::IdError;

/// Why nothing was printed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no snapshots.
    #[error("{} is not as `hubline-agent translate` prints it: {source}", file.display())]
    Snapshot {
        /// Which.
        file: PathBuf,
        /// Why, with line and column.
        source: SnapshotFileError,
    },
    /// The clusters cannot share one APISIX.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The objects cannot be written.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Write(#[from] io::Error),
}

/// Plans the snapshots in `files` (each may hold several YAML documents); prints objects as `apisix.yaml`, or as JSON,
/// to `out` and one line for each problem to `err`. Problems are no error: all that can be planned is printed.
///
/// # Errors
/// See [`PlanError`].
pub fn plan_command(
    files: &[PathBuf],
    options: PlanOptions,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), PlanError> {
    let mut snapshots = Vec::new();
    for file in files {
        snapshots.extend(read(file)?);
    }
    let (objects, problems) = dry_run(snapshots, options)?;
    let render = if json { apisix_yaml::json } else { apisix_yaml::yaml };
    out.write_all(render(&objects)?.as_bytes())?;
    for (key, problem) in problems {
        let kind = problem.kind.label();
        writeln!(err, "{key}: {kind} ({}): {}", problem.reason, problem.message)?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Snapshot>, PlanError> {
    let text = std::fs::read_to_string(file).map_err(|source| PlanError::Read {
        file: file.to_owned(),
        source,
    })?;
    snapshot_file::all_from_yaml(&text).map_err(|source| PlanError::Snapshot {
        file: file.to_owned(),
        source,
    })
}
