//! The documents of a file, and the objects in them.
//!
//! Documents are parted by their markers before YAML is parsed, so that a broken one does not hide the others: a `---`
//! at the beginning of a line is a marker wherever it stands.

use hubline::model::Severity;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use crate::source::{Kind, KindVisitor, Object, Watched, quotes_nothing};

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Position in the file, from 1.
    pub(super) document: usize,
    /// Line in the file, from 1.
    pub(super) line: usize,
    pub(super) severity: Severity,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The kind of the object that cannot be read for it; none when any may stand there.
    pub(super) kind: Option<Kind>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) objects: Vec<Object>,
    pub(super) problems: Vec<Problem>,
}

struct Document<'a> {
    number: usize,
    /// The line of the file at which it begins, from 1.
    line: usize,
    text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    api_version: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Value>,
}

/// Reads a file's text.
pub(super) fn read(text: &str) -> Content {
    let mut content = Content::default();
    for document in split(text) {
        document.read(&mut content);
    }
    content
}

fn split(text: &str) -> Vec<Document<'_>> {
    let mut starts = vec![(0, 1)];
    let mut offset = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if at > 0 && is_marker(line) {
            starts.push((offset, at + 1));
        }
        offset += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let spans = starts
        .iter()
        .zip(ends)
        .filter_map(|((start, line), end)| Some((*line, text.get(*start..end)?)));
    let filled = spans.filter(|(_, text)| !is_blank(text));
    filled
        .enumerate()
        .map(|(at, (line, text))| Document {
            number: at + 1,
            line,
            text,
        })
        .collect()
}

fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with([' ', '\t']))
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}

impl Document<'_> {
    fn read(&self, content: &mut Content) {
        let header: Header = match self.parse() {
            Ok(header) => header,
            Err(error) => return content.problems.push(self.broken(&error, None)),
        };
        let (api_version, kind) = (header.api_version.unwrap_or_default(), header.kind.unwrap_or_default());
        if kind == "List" || (kind.ends_with("List") && Kind::of(&api_version, &kind).is_none()) {
            return self.read_list(content);
        }
        let Some(kind) = Kind::of(&api_version, &kind) else {
            return content.problems.push(self.unknown_kind(&api_version, &kind));
        };
        match kind.visit(Parse(self)) {
            Ok(object) => self.take(object, content),
            Err(error) => content.problems.push(self.broken(&error, Some(kind))),
        }
    }

    fn read_list(&self, content: &mut Content) {
        let list: List = match self.parse() {
            Ok(list) => list,
            Err(error) => return content.problems.push(self.broken(&error, None)),
        };
        for (at, item) in list.items.into_iter().enumerate() {
            let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (api_version, name) = (text("apiVersion"), text("kind"));
            let Some(kind) = Kind::of(&api_version, &name) else {
                content.problems.push(self.unknown_kind(&api_version, &name));
                continue;
            };
            match kind.visit(Convert(item)) {
                Ok(object) => self.take(object, content),
                Err(error) => content.problems.push(self.broken_item(at, kind, &error)),
            }
        }
    }

    fn take(&self, object: Object, content: &mut Content) {
        if object.id().name.name.is_empty() {
            let message = format!("{} without metadata.name", object.id().kind.name());
            let kind = Some(object.id().kind);
            return content.problems.push(self.problem("Malformed", message, kind));
        }
        content.objects.push(object.in_some_namespace());
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_saphyr::Error> {
        // Snippets would show the file's content, secrets among it.
        serde_saphyr::from_str_with_options(self.text, serde_saphyr::options! { with_snippet: false })
    }

    /// Whether errors may quote private keys or credentials.
    fn names_a_secret(&self) -> bool {
        ["Secret", "Consumer", "GatewayProxy"]
            .iter()
            .any(|kind| self.text.contains(kind))
    }

    fn problem(&self, reason: &'static str, message: String, kind: Option<Kind>) -> Problem {
        Problem {
            document: self.number,
            line: self.line,
            severity: Severity::Error,
            reason,
            message,
            kind,
        }
    }

    fn unknown_kind(&self, api_version: &str, kind: &str) -> Problem {
        let message = match kind.is_empty() {
            true => "has no kind and is skipped".to_owned(),
            false => format!("kind {kind} of {api_version:?} is not known here and is skipped"),
        };
        Problem {
            severity: Severity::Warning,
            ..self.problem("UnknownKind", message, None)
        }
    }

    fn broken(&self, error: &serde_saphyr::Error, kind: Option<Kind>) -> Problem {
        let secret = kind.map_or_else(|| self.names_a_secret(), Kind::may_hold_credentials);
        let line = error.location().map_or(1, |location| location.line().max(1));
        let words = one_line(&UserMessageFormatter.format_message(error.without_snippet()));
        let message = match secret && !quotes_nothing(&words) {
            true => {
                let kind = kind.map_or("Secret", Kind::name);
                format!("cannot be read as a {kind} (what is wrong is not shown, since it may quote the content)")
            }
            false => words,
        };
        Problem {
            line: self.line + usize::try_from(line).unwrap_or(1) - 1,
            ..self.problem("Malformed", message, kind)
        }
    }

    fn broken_item(&self, at: usize, kind: Kind, error: &serde_json::Error) -> Problem {
        let words = error.to_string();
        let message = match kind.may_hold_credentials() && !quotes_nothing(&words) {
            true => format!("items[{at}] cannot be read as a {}", kind.name()),
            false => format!("items[{at}] cannot be read as {}: {words}", kind.name()),
        };
        self.problem("Malformed", message, Some(kind))
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Parse<'a>(&'a Document<'a>);

impl KindVisitor for Parse<'_> {
    type Output = Result<Object, serde_saphyr::Error>;

    fn visit<K: Watched>(self) -> Self::Output {
        self.0.parse::<K>().map(K::slim)
    }
}

struct Convert(Value);

impl KindVisitor for Convert {
    type Output = Result<Object, serde_json::Error>;

    fn visit<K: Watched>(self) -> Self::Output {
        serde_json::from_value::<K>(self.0).map(K::slim)
    }
}
