//! Where a key was set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where a key was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the file.
    File {
        /// As it was named.
        name: String,
        /// Line, from 1; none when it is not known.
        line: Option<u64>,
    },
    /// By an environment variable.
    Variable(String),
    /// By a flag for this dotted path.
    Flag(String),
    /// Nowhere: it is the default, or missing.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line) } => write!(out, "{name}:{line}"),
            Self::File { name, line: None } => out.write_str(name),
            Self::Variable(name) => write!(out, "environment variable {name}"),
            Self::Flag(path) => write!(out, "flag for {path}"),
            Self::Default => out.write_str("defaults"),
        }
    }
}

/// Where every key was set.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// Dotted paths set by flags.
    pub(super) flags: BTreeSet<String>,
    /// Variables by dotted path.
    pub(super) variables: BTreeMap<String, String>,
    /// The file's name, where there is one.
    pub(super) file: Option<String>,
    /// Lines by dotted path.
    pub(super) lines: BTreeMap<String, u64>,
}

impl Origins {
    /// Where the key at a dotted path, or what holds it, was set: the strongest source first.
    pub(super) fn of(&self, path: &str) -> Origin {
        if let Some(flag) = ancestors(path).find(|path| self.flags.contains(*path)) {
            return Origin::Flag(flag.to_owned());
        }
        if let Some(name) = ancestors(path).find_map(|path| self.variables.get(path)) {
            return Origin::Variable(name.clone());
        }
        let line = ancestors(path).find_map(|path| self.lines.get(path)).copied();
        if line.is_none()
            && let Some(origin) = self.below(path)
        {
            return origin;
        }
        let Some(name) = &self.file else {
            return Origin::Default;
        };
        Origin::File {
            name: name.clone(),
            line,
        }
    }

    /// What set a key below a dotted path, and so made it.
    fn below(&self, path: &str) -> Option<Origin> {
        let under = |key: &str| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let flag = self.flags.iter().find(|key| under(key));
        let variable = || self.variables.iter().find(|(key, _)| under(key));
        let flag = flag.cloned().map(Origin::Flag);
        flag.or_else(|| variable().map(|(_, name)| Origin::Variable(name.clone())))
    }
}

/// A dotted path and all above it, the longest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(parent, _)| parent))
}
