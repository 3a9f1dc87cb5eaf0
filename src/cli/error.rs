//! What went wrong, and what the person in front of it can do.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::model::ModelError;
use crate::tls::AuthorityError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line is wrong, or help was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The hub was not reached.
    #[error("hub at {address}: {reason}\n  {advice}")]
    Unreachable {
        /// As given.
        address: String,
        /// What the system said.
        reason: String,
        /// What to check.
        advice: String,
    },
    /// The hub answered with a refusal.
    #[error("hub at {address}: {reason}{allowed}{advice}")]
    Refused {
        /// As given.
        address: String,
        /// In the hub's words.
        reason: String,
        /// What it would accept; empty when it does not say.
        allowed: String,
        /// What to do; begins with a new line, or empty.
        advice: String,
    },
    /// What answered is no hub.
    #[error("{address} answered, but not as a hub does: {reason}\n  check --hub and HUBLINE_HUB")]
    NotAHub {
        /// As given.
        address: String,
        /// What is odd.
        reason: String,
    },
    /// A file is there already.
    #[error("{} is there already; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}{advice}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do; begins with a new line, or empty.
        advice: String,
    },
    /// Nothing was issued.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A name is wrong.
    #[error(transparent)]
    Name(#[from] ModelError),
    /// The output could not be written.
    #[error("output: {0}")]
    Output(io::Error),
}

impl CliError {
    /// A reader that left (`| head`) has what it wanted.
    pub(super) fn unless_nobody_reads(self) -> Result<(), Self> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Err(other),
        }
    }

    /// Says it on stderr and gives the exit code.
    #[expect(
        clippy::print_stderr,
        reason = "the one place where the command line speaks of errors"
    )]
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // Help and version go to stdout and are no errors; clap knows.
                if error.print().is_err() {
                    return ExitCode::FAILURE;
                }
            }
            other => eprintln!("hubline: {other}"),
        }
        ExitCode::from(self.code())
    }

    /// 0 done, 1 refused or failed, 2 wrong usage, 3 the hub was not reached.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(error) if !error.use_stderr() => 0,
            Self::Usage(_) | Self::Name(_) => 2,
            Self::Unreachable { .. } | Self::NotAHub { .. } => 3,
            Self::Refused { .. } | Self::Exists(_) | Self::File { .. } | Self::Authority(_) | Self::Output(_) => 1,
        }
    }
}
