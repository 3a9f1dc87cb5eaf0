//! Relative links of all pages.

use std::path::{Path, PathBuf};

use regex::Regex;

/// Folders in which no pages of ours lie.
const ELSEWHERE: [&str; 3] = [".git", "target", "node_modules"];

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !ELSEWHERE.iter().any(|elsewhere| name == *elsewhere) {
                pages(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Targets of the links of a page: `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    link.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// The links of a page that lead nowhere.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let folder = page.parent().unwrap();
    let leads_nowhere = |target: &String| {
        let file = target.split('#').next().unwrap();
        !target.contains("://") && !file.is_empty() && !folder.join(file).try_exists().unwrap_or(false)
    };
    links(text).into_iter().filter(leads_nowhere).collect()
}

#[test]
fn relative_links_lead_somewhere() {
    let mut found = Vec::new();
    pages(&super::root(), &mut found);
    assert!(found.len() >= 6, "only {found:?}");
    for page in found {
        let text = std::fs::read_to_string(&page).unwrap();
        assert_eq!(broken(&page, &text), Vec::<String>::new(), "in {}", page.display());
    }
}

#[test]
fn a_broken_link_is_found() {
    let page = super::root().join("README.md");
    let text = "[a](docs/none.md) [b](docs) [c](https://example.com/x) [d](#try-it) [e](LICENSE#x)";
    assert_eq!(broken(&page, text), ["docs/none.md"]);
}
