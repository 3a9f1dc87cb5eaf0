//! The agent's golden inputs that are about annotations and custom resources: `agent/golden/translate/NAME.in.yaml`.

use std::path::Path;

use super::{Planned, merged};

/// How their names begin.
const KINDS: [&str; 7] = [
    "annotation-",
    "apisix-",
    "backend-traffic-policy",
    "consumer",
    "gateway-proxy",
    "http-route-policy",
    "plugin-config",
];

/// Those whose cluster may set plugins on everybody's traffic, so that it is seen what becomes of them.
const GRANTED: [&str; 2] = ["apisix-global-rule", "gateway-proxy"];

pub(super) struct Input {
    /// Of annotations without `annotation-`.
    pub(super) name: String,
    text: String,
}

impl Input {
    /// What becomes of it.
    pub(super) fn planned(&self) -> Planned {
        let granted: &[&str] = if GRANTED.contains(&&*self.name) { &["east"] } else { &[] };
        merged(&[("east", &self.text)], self.name.ends_with("-allowed"), granted)
    }
}

/// All of them, by name.
pub(super) fn inputs() -> Vec<Input> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/golden/translate");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".in.yaml")?.to_owned();
            let known = KINDS.iter().any(|kind| name.starts_with(kind));
            let text = known.then(|| std::fs::read_to_string(&path).unwrap())?;
            let name = name.strip_prefix("annotation-").map(str::to_owned).unwrap_or(name);
            Some(Input { name, text })
        })
        .collect();
    inputs.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(inputs.len() >= 40, "only {} inputs", inputs.len());
    inputs
}
