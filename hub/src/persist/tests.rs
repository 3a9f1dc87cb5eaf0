use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hubline::model::{Certificate, HostName, Key, ResourceKind, SecretText};
use hubline::wire::EncodedResource;
use redb::{ReadableDatabase, ReadableTable};
use tempfile::TempDir;

use super::*;
use crate::cluster::tests::support::{good, group, key, set};
use crate::cluster::{Cluster, GroupRecord, Meta, PersistOperation};

fn id(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

fn put(key: &Key, value: u16) -> PersistOperation {
    let bytes = good(key, value).bytes().clone();
    PersistOperation::Put {
        key: key.clone(),
        bytes,
    }
}

fn meta(revision: u64) -> Meta {
    Meta {
        uid: Some("uid-a".to_owned()),
        epoch: hubline::wire::Epoch { counter: 3, random: 9 },
        revision,
        groups: vec![GroupRecord {
            group: group(ResourceKind::EndpointSet),
            complete_once: true,
        }],
    }
}

const WRITE_BEHIND: Duration = Duration::from_millis(10);

/// Name of the key's file in these tests.
const KEY_FILE: &str = "seal.key";

fn options(directory: &Path) -> StoreOptions {
    StoreOptions {
        data_dir: directory.to_owned(),
        key_file: directory.join(KEY_FILE),
    }
}

fn open(directory: &Path) -> Result<(Store, Vec<(ClusterId, Restored)>), PersistError> {
    Store::open(&options(directory))
}

/// Writes operations of cluster `a` and stops in order.
async fn write_all(directory: &Path, operations: Vec<PersistOperation>) {
    let (persist, _) = open(directory).unwrap();
    let (writer, persisting) = persist.start(WRITE_BEHIND, PersistMetrics::default());
    writer.write(&id("a"), operations);
    drop(writer);
    persisting.finished().await.unwrap();
}

fn names(restored: &Restored) -> Vec<(String, hubline::wire::ContentHash)> {
    let resources = restored.resources.iter();
    resources.map(|it| (it.key().name.clone(), it.hash())).collect()
}

fn reopen(directory: &Path) -> (Store, Restored) {
    let (persist, mut clusters) = open(directory).unwrap();
    let (name, restored) = clusters.remove(0);
    assert_eq!((name, clusters.len()), (id("a"), 0));
    (persist, restored)
}

#[tokio::test]
async fn a_restart_returns_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (x, y, z) = (set("x"), set("y"), key(ResourceKind::Other(99), "z"));
    let first = vec![put(&x, 1), put(&y, 1), put(&z, 1), PersistOperation::Meta(meta(1))];
    write_all(directory.path(), first).await;
    let second = vec![
        put(&x, 2),
        put(&x, 3),
        PersistOperation::Remove { key: y },
        PersistOperation::Meta(meta(7)),
    ];
    write_all(directory.path(), second).await;
    let (persist, restored) = reopen(directory.path());
    assert_eq!(persist.damaged(), []);
    assert_eq!(restored.meta, meta(7));
    let wanted = [
        ("x".to_owned(), good(&x, 3).hash()),
        ("z".to_owned(), good(&z, 1).hash()),
    ];
    assert_eq!(names(&restored), wanted);
    let cluster = Cluster::restore(id("a"), restored);
    assert!(cluster.settled());
    assert_eq!(
        cluster.resources().count(),
        1,
        "a kind that is not known is kept, not in force"
    );
}

#[tokio::test]
async fn secrets_stay_secret() {
    let directory = tempfile::tempdir().unwrap();
    let secret = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHh1bnRlcjJodW50ZXIyaHVudGVyMg==\n";
    let key = key(ResourceKind::Certificate, "tls");
    let certificate = Certificate {
        hosts: vec![HostName::new("a.example.com").unwrap()],
        chain: "chain".to_owned(),
        private_key: SecretText::new(secret.to_owned()),
        created: None,
        client: None,
    };
    let encoded = EncodedResource::encode(&key, &certificate.into());
    let bytes = encoded.bytes().clone();
    write_all(directory.path(), vec![PersistOperation::Put { key, bytes }]).await;
    let file = std::fs::read(directory.path().join(STATE_FILE)).unwrap();
    for needle in ["PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIE"] {
        let found = file.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!found, "{needle:?} stands in the state file");
    }
    for name in [STATE_FILE, KEY_FILE] {
        let mode = std::fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (_, restored) = reopen(directory.path());
    assert_eq!(names(&restored), [("tls".to_owned(), encoded.hash())]);
}

#[tokio::test]
async fn a_crash_loses_at_most_what_was_not_flushed() {
    let (directory, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (persist, _) = open(directory.path()).unwrap();
    let database = Arc::clone(&persist.database);
    let (writer, persisting) = persist.start(WRITE_BEHIND, PersistMetrics::default());
    writer.write(&id("a"), vec![put(&set("x"), 1)]);
    // Not asked to stop: it must come by itself.
    while database
        .begin_read()
        .unwrap()
        .open_table(RESOURCES)
        .unwrap()
        .iter()
        .unwrap()
        .next()
        .is_none()
    {
        tokio::task::yield_now().await;
    }
    writer.write(&id("a"), vec![put(&set("y"), 1)]);
    for name in [STATE_FILE, KEY_FILE] {
        std::fs::copy(directory.path().join(name), crashed.path().join(name)).unwrap();
    }
    let (_, restored) = reopen(crashed.path());
    assert_eq!(names(&restored), [("x".to_owned(), good(&set("x"), 1).hash())]);
    drop((writer, database));
    persisting.finished().await.unwrap();
    let (_, restored) = reopen(directory.path());
    assert_eq!(names(&restored).len(), 2, "the end writes what waits");
}

#[tokio::test]
async fn many_changes_of_one_key_are_one_value() {
    let directory = tempfile::tempdir().unwrap();
    let (persist, _) = open(directory.path()).unwrap();
    let metrics = PersistMetrics::default();
    let (writer, persisting) = persist.start(WRITE_BEHIND, metrics.clone());
    for value in 0..1_000 {
        writer.write(
            &id("a"),
            vec![put(&set("x"), value), PersistOperation::Meta(meta(u64::from(value)))],
        );
    }
    assert_eq!(metrics.waiting.get(), 2);
    drop(writer);
    persisting.finished().await.unwrap();
    assert_eq!(metrics.waiting.get(), 0);
}

async fn prepared() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let operations = vec![put(&set("x"), 1), put(&set("y"), 1), PersistOperation::Meta(meta(1))];
    write_all(directory.path(), operations).await;
    directory
}

#[tokio::test]
async fn a_key_that_is_not_right_is_refused_and_nothing_is_overwritten() {
    type Spoil = fn(&Path);
    let table: [(Spoil, &str); 4] = [
        (|key| std::fs::remove_file(key).unwrap(), "is missing, but"),
        (|key| std::fs::write(key, [7; 32]).unwrap(), "is not the key that"),
        (
            |key| std::fs::write(key, [7; 31]).unwrap(),
            "has 31 bytes, a key has exactly 32",
        ),
        (
            |key| std::fs::set_permissions(key, PermissionsExt::from_mode(0o640)).unwrap(),
            "has mode 0640",
        ),
    ];
    for (spoil, words) in table {
        let directory = prepared().await;
        let state = std::fs::read(directory.path().join(STATE_FILE)).unwrap();
        spoil(&directory.path().join(KEY_FILE));
        let error = open(directory.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        if words.contains("missing") {
            assert_eq!(std::fs::read(directory.path().join(STATE_FILE)).unwrap(), state);
        }
    }
}

#[tokio::test]
async fn values_that_change_places_are_named_and_the_rest_goes_on() {
    let directory = prepared().await;
    let (persist, _) = open(directory.path()).unwrap();
    let json = |key: &Key| serde_json::to_string(key).unwrap();
    let (x, z) = (json(&set("x")), json(&set("z")));
    let transaction = persist.database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(RESOURCES).unwrap();
        let sealed = table.get(("a", x.as_str())).unwrap().unwrap().value().to_vec();
        table.insert(("a", z.as_str()), sealed.as_slice()).unwrap();
        table.insert(("a", x.as_str()), [1_u8, 2, 3].as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(persist);
    let (persist, restored) = reopen(directory.path());
    let damaged: Vec<_> = persist
        .damaged()
        .iter()
        .map(|it| (it.cluster.as_str(), it.key.as_str()))
        .collect();
    let (x, z) = (set("x").to_string(), set("z").to_string());
    assert_eq!(damaged, [("a", x.as_str()), ("a", z.as_str())]);
    assert_eq!(names(&restored), [("y".to_owned(), good(&set("y"), 1).hash())]);
    assert!(
        !Cluster::restore(id("a"), restored).settled(),
        "what is lost is not gone"
    );
}

#[tokio::test]
async fn a_damaged_file_says_what_to_do_and_one_directory_serves_one_hub() {
    let directory = prepared().await;
    let (persist, _) = open(directory.path()).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(persist);
    std::fs::write(directory.path().join(STATE_FILE), vec![0x5A; 100_000]).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("move it away and start again"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_stalled_disk_is_bounded_by_keys() {
    let directory = TempDir::new().unwrap();
    let (store, _) = open(directory.path()).unwrap();
    let metrics = PersistMetrics::default();
    // Nothing is written for as long as this test runs.
    let (writer, persisting) = store.start(Duration::from_secs(3_600), metrics.clone());
    for change in 0..50_000_u32 {
        let key = set(&format!("n{}", change % 500));
        let value = u16::try_from(change % 60_000).unwrap();
        writer.write(
            &id("a"),
            vec![put(&key, value), PersistOperation::Meta(meta(u64::from(change)))],
        );
    }
    assert_eq!(metrics.waiting.get(), 500 + 1);
    drop(writer);
    persisting.finished().await.unwrap();
    let (_, restored) = open(directory.path()).unwrap();
    let (_, restored) = &restored[0];
    assert_eq!((restored.resources.len(), restored.meta.revision), (500, 49_999));
}
