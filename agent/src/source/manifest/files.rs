//! Reading the directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file in bytes. A ConfigMap holds at most 1 MiB; several of them may have been joined by hand.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

/// Content of each file by its name, or why it cannot be read.
pub(super) type Scan = BTreeMap<String, Result<String, String>>;

/// Reads every file of the directory.
pub(super) fn read(directory: &Path) -> Result<Scan, String> {
    let words = |error: std::io::Error| error.to_string();
    let mut scan = Scan::new();
    for entry in std::fs::read_dir(directory).map_err(words)? {
        let entry = entry.map_err(words)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_manifest(&name) && !entry.path().is_dir() {
            scan.insert(name, content(&entry.path()));
        }
    }
    Ok(scan)
}

/// Names that begin with a dot are an editor's or kubelet's own.
fn is_manifest(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    !name.starts_with('.') && matches!(extension, Some("yaml" | "yml" | "json"))
}

fn content(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    let size = read.map_err(|error| error.to_string())?;
    if size as u64 > MAX_FILE_BYTES {
        return Err(format!("larger than the {MAX_FILE_BYTES} bytes that are allowed"));
    }
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))
}
