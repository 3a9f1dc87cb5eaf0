use std::collections::BTreeMap;
use std::path::Path;

use hubline::model::{Diagnostic, Severity};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::source::{Kind, Object, ObjectId};

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    )
}

/// What a reader of the events holds.
#[derive(Default)]
struct Reader {
    objects: BTreeMap<ObjectId, Object>,
    problems: Vec<Diagnostic>,
    unread: BTreeMap<Kind, String>,
    failed: usize,
    listings: usize,
}

impl Reader {
    fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Listed(object) | SourceEvent::Apply(object) => {
                self.objects.insert(object.id(), *object);
            }
            SourceEvent::Delete(id) => {
                self.objects.remove(&id);
            }
            SourceEvent::Problems(problems) => self.problems = problems,
            SourceEvent::Unread(unread) => self.unread = unread,
            SourceEvent::Failed { .. } => self.failed += 1,
            SourceEvent::End { .. } => self.listings += 1,
            _ => {}
        }
    }

    fn ports(&self) -> Vec<(String, i32)> {
        let port = |object: &Object| match object {
            Object::Service(name, service) => Some((name.to_string(), service.ports[0].number)),
            _ => None,
        };
        self.objects.values().filter_map(port).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }
}

/// Reads a directory's states one after the other.
struct Directory {
    folder: tempfile::TempDir,
    manifests: Manifests,
    reader: Reader,
}

impl Directory {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            manifests: Manifests::default(),
            reader: Reader::default(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// As `follow` does when something may be gone.
    fn read_twice(&mut self) -> Vec<SourceEvent> {
        self.read();
        self.read()
    }

    fn read(&mut self) -> Vec<SourceEvent> {
        let events = self.manifests.update(files::read(self.folder.path()).unwrap());
        events.iter().cloned().for_each(|event| self.reader.take(event));
        events
    }
}

#[test]
fn the_first_reading_is_a_listing_of_every_kind() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &service("web", 80));
    directory.write("notes.txt", "not: [yaml");
    directory.write(".hidden.yaml", "not: [yaml");
    directory.read();
    assert_eq!(directory.reader.listings, Kind::ALL.len());
    assert_eq!(directory.reader.ports(), [("shop/web".to_owned(), 80)]);
    assert_eq!(directory.read(), []);
}

#[test]
fn malformed_yaml_keeps_the_last_good_objects_of_its_file() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &[service("web", 80), service("api", 80)].join("---\n"));
    directory.write("b.yaml", &service("other", 80));
    directory.read();
    directory.write(
        "a.yaml",
        &[service("web", 81), "kind: [Service\n".to_owned()].join("---\n"),
    );
    directory.write("b.yaml", &service("other", 81));
    directory.read();
    let ports = [("shop/api", 80), ("shop/other", 81), ("shop/web", 81)].map(|(name, port)| (name.to_owned(), port));
    assert_eq!(directory.reader.ports(), ports);
    let problem = &directory.reader.problems[0];
    assert_eq!((&*problem.object.name, problem.severity), ("a.yaml", Severity::Error));
    assert!(problem.field.starts_with("document 2, line "), "{problem}");
    directory.write("a.yaml", &service("web", 82));
    directory.read_twice();
    assert_eq!(
        directory.reader.ports(),
        [("shop/other".to_owned(), 81), ("shop/web".to_owned(), 82)]
    );
    assert_eq!(directory.reader.messages(), Vec::<String>::new());
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_objects() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &service("web", 80));
    directory.read();
    std::fs::write(directory.folder.path().join("a.yaml"), [0xff, 0xfe]).unwrap();
    directory.read();
    assert_eq!(directory.reader.ports().len(), 1);
    assert!(directory.reader.messages()[0].contains("not UTF-8"));
    assert!(directory.reader.unread.is_empty(), "its objects are known");
    let anew = Manifests::default().update(files::read(directory.folder.path()).unwrap());
    assert!(matches!(&anew[0], SourceEvent::Unread(kinds) if kinds.len() == Kind::ALL.len()));
    directory.write("a.yaml", &" ".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1));
    directory.read();
    assert_eq!(directory.reader.ports().len(), 1);
    assert!(directory.reader.messages()[0].contains("larger than the 4194304 bytes"));
    directory.remove("a.yaml");
    directory.read_twice();
    assert_eq!(directory.reader.ports().len(), 0);
}

#[test]
fn an_unreadable_directory_withdraws_nothing_and_is_listed_again() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &service("web", 80));
    directory.read();
    for event in directory.manifests.failed("gone") {
        assert!(matches!(event, SourceEvent::Failed { .. }));
    }
    directory.read();
    assert_eq!(directory.reader.listings, 2 * Kind::ALL.len());
}

#[test]
fn the_first_of_two_files_has_an_object() {
    let mut directory = Directory::new();
    directory.write("b.yaml", &service("web", 81));
    directory.write("c.yaml", &[service("web", 82), service("web", 83)].join("---\n"));
    directory.read();
    assert_eq!(directory.reader.ports(), [("shop/web".to_owned(), 81)]);
    assert_eq!(
        directory.reader.messages(),
        [
            "File c.yaml: Service shop/web stands here more than once; the first is in force (Duplicate)",
            "File c.yaml: Service shop/web stands in b.yaml too, which is in force (Duplicate)",
        ]
    );
    directory.remove("b.yaml");
    directory.read_twice();
    assert_eq!(directory.reader.ports(), [("shop/web".to_owned(), 82)]);
}

#[test]
fn problems_name_file_document_and_line_and_no_secret() {
    let mut directory = Directory::new();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: hunter2\n";
    let broken = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: eighty\n";
    directory.write(
        "a.yaml",
        &[secret, "# only a comment\n", broken, "kind: hunter2: Secret\n"].join("---\n"),
    );
    directory.read();
    let messages = directory.reader.messages();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(
        !messages.iter().any(|message| message.contains("hunter2")),
        "{messages:?}"
    );
    let fields: Vec<&str> = directory
        .reader
        .problems
        .iter()
        .map(|problem| &*problem.field)
        .collect();
    assert_eq!(
        fields,
        ["document 1, line 4", "document 2, line 13", "document 3, line 15"]
    );
}

#[test]
fn what_is_broken_at_the_first_reading_is_told_before_the_listing_and_mended_after_the_objects() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &service("web", 80));
    directory.write("b.yaml", &[service("api", 80), "kind: [".to_owned()].join("---\n"));
    let events = directory.read();
    let all: BTreeMap<Kind, String> = Kind::ALL
        .iter()
        .map(|kind| (*kind, "file b.yaml cannot be read whole".to_owned()))
        .collect();
    assert_eq!(events.first(), Some(&SourceEvent::Unread(all.clone())));
    assert_eq!(directory.reader.ports().len(), 2, "the rest of it is in force");
    directory.write("b.yaml", "kind: [Service");
    assert!(
        !directory
            .read()
            .iter()
            .any(|event| matches!(event, SourceEvent::Unread(_)))
    );
    assert_eq!((directory.reader.ports().len(), &directory.reader.unread), (2, &all));
    directory.write("b.yaml", &[service("api", 80), service("lost", 80)].join("---\n"));
    let events = directory.read();
    assert_eq!(events.last(), Some(&SourceEvent::Unread(BTreeMap::new())));
    assert!(matches!(&events[0], SourceEvent::Apply(_)), "{events:?}");
}

#[test]
fn a_document_whose_kind_is_known_hides_only_that_kind() {
    let broken = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: 80}\n";
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: 80}}\n";
    for text in [broken, list] {
        let mut directory = Directory::new();
        directory.write("a.yaml", text);
        directory.read();
        let kinds: Vec<Kind> = directory.reader.unread.keys().copied().collect();
        assert_eq!(kinds, [Kind::Service]);
        directory.remove("a.yaml");
        directory.read_twice();
        assert!(directory.reader.unread.is_empty());
    }
}

#[test]
fn a_file_that_breaks_or_appears_broken_later_leaves_every_kind_known() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &service("web", 80));
    directory.read();
    directory.write("a.yaml", "kind: [");
    directory.write("b.yaml", "kind: [");
    directory.read();
    // The same files at an agent's start.
    let mut anew = Manifests::default().update(files::read(directory.folder.path()).unwrap());
    assert!(directory.reader.unread.is_empty() && directory.reader.problems.len() == 2);
    assert!(matches!(anew.remove(0), SourceEvent::Unread(kinds) if kinds.len() == Kind::ALL.len()));
}

fn deletes(events: &[SourceEvent]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, SourceEvent::Delete(_)))
        .count()
}

/// Two services and an Ingress whose last lines are list items, so that most beginnings of it are whole YAML.
fn whole_file() -> String {
    let path = |name: &str| {
        format!(
            "      - {{path: /{name}, pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}\n"
        )
    };
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\nspec:\n  rules:\n  - http:\n      paths:\n";
    let ingress = [ingress.to_owned(), path("web"), path("api")].concat();
    [service("web", 80), service("api", 80), ingress].join("---\n")
}

#[test]
fn a_half_written_file_withdraws_nothing() {
    let whole = whole_file();
    for end in 0..whole.len() {
        let mut directory = Directory::new();
        directory.write("a.yaml", &whole);
        directory.read();
        let before = directory.reader.objects.clone();
        directory.write("a.yaml", whole.get(..end).unwrap());
        let half = directory.read();
        assert_eq!(directory.reader.objects, before, "the first {end} bytes: {half:?}");
        directory.write("a.yaml", &whole);
        directory.read();
        assert_eq!(directory.reader.objects, before, "the first {end} bytes, then all");
        assert!(!directory.manifests.is_doubtful());
    }
}

#[test]
fn what_a_file_takes_away_counts_at_the_second_look() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &[service("web", 80), service("api", 80)].join("---\n"));
    directory.read();
    directory.write("a.yaml", &[service("web", 81), service("new", 80)].join("---\n"));
    assert_eq!(deletes(&directory.read()), 0);
    let ports = [("shop/api", 80), ("shop/new", 80), ("shop/web", 81)].map(|(name, port)| (name.to_owned(), port));
    assert_eq!(directory.reader.ports(), ports, "changes and additions count at once");
    directory.write("a.yaml", &[service("web", 82), service("new", 80)].join("---\n"));
    assert_eq!(deletes(&directory.read()), 0, "it is being written still");
    assert!(directory.manifests.is_doubtful());
    assert_eq!(deletes(&directory.read()), 1);
    assert_eq!(directory.reader.ports().len(), 2);
    assert!(!directory.manifests.is_doubtful());
}

#[test]
fn a_file_that_is_gone_is_missed_twice_and_a_renamed_one_changes_nothing() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &service("web", 80));
    directory.read();
    directory.remove("a.yaml");
    assert_eq!(directory.read(), []);
    directory.write("a.yaml", &service("web", 80));
    assert_eq!(directory.read(), [], "saved by way of a rename");
    std::fs::rename(
        directory.folder.path().join("a.yaml"),
        directory.folder.path().join("b.yaml"),
    )
    .unwrap();
    assert_eq!(directory.read_twice(), []);
    assert_eq!(directory.reader.ports().len(), 1);
    directory.remove("b.yaml");
    assert_eq!(deletes(&directory.read()), 0);
    assert_eq!(deletes(&directory.read()), 1);
    assert_eq!(directory.read(), []);
}

#[test]
fn an_object_that_moves_and_changes_counts_at_once() {
    let mut directory = Directory::new();
    directory.write("a.yaml", &[service("web", 80), service("api", 80)].join("---\n"));
    directory.write("b.yaml", &service("other", 80));
    directory.read();
    directory.write("a.yaml", &service("web", 80));
    directory.write("b.yaml", &[service("other", 80), service("api", 81)].join("---\n"));
    directory.read();
    assert!(directory.reader.ports().contains(&("shop/api".to_owned(), 81)));
    assert_eq!(directory.reader.messages(), Vec::<String>::new());
    assert_eq!(directory.read(), []);
}

#[tokio::test(start_paused = true)]
async fn a_reading_waits_for_quiet_and_not_for_ever() {
    let debounce = Duration::from_millis(100);
    let changed = Arc::new(Notify::new());
    let begun = Instant::now();
    quiet(&changed, debounce).await;
    assert_eq!(begun.elapsed(), debounce, "nothing more changes");
    let writer = changed.clone();
    let writing = tokio::spawn(async move {
        loop {
            writer.notify_one();
            sleep(Duration::from_millis(60)).await;
        }
    });
    let begun = Instant::now();
    quiet(&changed, debounce).await;
    let waited = begun.elapsed();
    assert!(
        waited > 5 * debounce && waited <= (PATIENCE + 1) * debounce,
        "{waited:?}"
    );
    writing.abort();
}

#[tokio::test(start_paused = true)]
async fn the_first_reading_is_two_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let whole = whole_file();
    let debounce = Duration::from_millis(100);
    std::fs::write(&file, whole.get(..whole.len() / 2).unwrap()).unwrap();
    let end = whole.clone();
    let writing = tokio::spawn(async move {
        sleep(Duration::from_millis(50)).await;
        std::fs::write(file, end).unwrap();
    });
    let scan = first_scan(folder.path(), debounce).await.unwrap();
    writing.await.unwrap();
    assert_eq!(scan["a.yaml"].as_deref(), Ok(&*whole));
}

/// Runs the source and gives what a reader holds when it is as wanted.
struct Running {
    events: mpsc::Receiver<SourceEvent>,
    reader: Reader,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(directory: &Path) -> Self {
        let (sender, events) = mpsc::channel(4);
        let cancel = CancellationToken::new();
        // Only the notification of a change may end the wait for it.
        let times = Times {
            debounce: Duration::from_millis(20),
            rescan: Duration::from_secs(3600),
        };
        let task = tokio::spawn(run(directory.to_owned(), times, sender, cancel.clone()));
        Self {
            events,
            reader: Reader::default(),
            cancel,
            task,
        }
    }

    async fn until(&mut self, wanted: impl Fn(&Reader) -> bool) {
        let reading = async {
            while !wanted(&self.reader) {
                self.reader.take(self.events.recv().await.unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap();
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn changes_of_files_arrive() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), service("web", 80)).unwrap();
    let mut running = Running::start(folder.path());
    running
        .until(|reader| reader.listings == Kind::ALL.len() && reader.ports().len() == 1)
        .await;
    std::fs::write(folder.path().join("a.yaml"), service("web", 81)).unwrap();
    running
        .until(|reader| reader.ports() == [("shop/web".to_owned(), 81)])
        .await;
    std::fs::write(folder.path().join("a.yaml"), "kind: [").unwrap();
    running.until(|reader| !reader.problems.is_empty()).await;
    assert_eq!(running.reader.ports().len(), 1);
    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    running.until(|reader| reader.ports().is_empty()).await;
    running.stop().await;
}

/// As kubelet updates a mounted ConfigMap: files are links through `..data`, which is renamed over.
#[cfg(unix)]
#[tokio::test]
async fn a_swapped_symbolic_link_arrives() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, port) in [("..1", 80), ("..2", 81)] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("a.yaml"), service("web", port)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let mut running = Running::start(folder.path());
    running
        .until(|reader| reader.ports() == [("shop/web".to_owned(), 80)])
        .await;
    symlink("..2", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    running
        .until(|reader| reader.ports() == [("shop/web".to_owned(), 81)])
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_missing_directory_fails_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(read_once(&missing).unwrap_err().to_string().contains("cannot be read"));
    let mut running = Running::start(&missing);
    running.until(|reader| reader.failed == Kind::ALL.len()).await;
    running.stop().await;
}
