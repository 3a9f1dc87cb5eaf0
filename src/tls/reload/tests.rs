//! With real files, replaced as people and Kubernetes replace them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use super::*;
use crate::model::ClusterId;
use crate::tls::{Authority, Issued, ServerSide, Validity};

/// Generous: it only bounds a test that fails.
const LONG: Duration = Duration::from_secs(20);

/// Short, and a rescan so late that only what is noticed counts.
const NOTICED: Times = Times {
    quiet: Duration::from_millis(20),
    patience: Duration::from_millis(150),
    rescan: Duration::from_secs(60 * 60),
};

struct World {
    authority: Authority,
    folder: TempDir,
    seen: watch::Receiver<Arc<ServerSide>>,
    metrics: Metrics,
    _running: DropGuard,
}

fn validity(pem: &str) -> Validity {
    Validity::first_to_end(&crate::tls::pair::parse_chain(pem).unwrap()).unwrap()
}

fn issue(authority: &Authority) -> Issued {
    authority.issue_hub(&["hub.example.com"]).unwrap()
}

fn write(folder: &Path, authority: &Authority, issued: &Issued) -> Files {
    std::fs::create_dir_all(folder).unwrap();
    let files = Files::in_directory(folder);
    std::fs::write(&files.ca, authority.certificate()).unwrap();
    std::fs::write(&files.certificate, &issued.chain).unwrap();
    std::fs::write(&files.key, issued.private_key.expose()).unwrap();
    files
}

/// As kubelet mounts a Secret: files that point through `..data` into a directory of one version.
fn mount(folder: &Path, version: &str, authority: &Authority, issued: &Issued) {
    write(&folder.join(version), authority, issued);
    let data = folder.join("..data_tmp");
    symlink(version, &data).unwrap();
    std::fs::rename(data, folder.join("..data")).unwrap();
}

fn run(folder: TempDir, authority: Authority, times: Times) -> World {
    let metrics = Metrics::default();
    let reloader = Reloader::<ServerSide>::new(Files::in_directory(folder.path()), times, &metrics).unwrap();
    let (seen, shutdown) = (reloader.subscribe(), CancellationToken::new());
    tokio::spawn(reloader.run(shutdown.clone()));
    World {
        authority,
        folder,
        seen,
        metrics,
        _running: shutdown.drop_guard(),
    }
}

fn start(times: Times) -> World {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("test").unwrap());
    write(folder.path(), &authority, &issue(&authority));
    run(folder, authority, times)
}

impl World {
    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    async fn changed(&mut self) {
        timeout(LONG, self.seen.changed()).await.unwrap().unwrap();
        self.seen.borrow_and_update();
    }

    async fn until_metric(&self, line: &str) {
        let counted = async {
            while !self.metrics.encode().lines().any(|it| it == line) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let counted = timeout(LONG, counted).await;
        counted.unwrap_or_else(|_| panic!("no {line} in {}", self.metrics.encode()));
    }

    /// Whether agents of an authority would be let in.
    fn lets_in(&self, authority: &Authority) -> bool {
        let agent = authority.issue_agent(&ClusterId::new("a").unwrap()).unwrap();
        let chain = crate::tls::pair::parse_chain(&agent.chain).unwrap();
        self.seen.borrow().trusts(&chain).is_ok()
    }
}

#[tokio::test]
async fn a_secret_swapped_as_kubernetes_does_is_taken() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("test").unwrap());
    mount(folder.path(), "..1", &authority, &issue(&authority));
    for file in ["ca.crt", "tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(file), folder.path().join(file)).unwrap();
    }
    let mut world = run(folder, authority, NOTICED);
    for version in ["..2", "..3"] {
        let other = Authority::new("other").unwrap();
        assert!(!world.lets_in(&other));
        mount(world.folder.path(), version, &other, &issue(&other));
        world.changed().await;
        assert!(world.lets_in(&other) && !world.lets_in(&world.authority));
    }
    world
        .until_metric("hubline_tls_reloads_total{result=\"applied\"} 2")
        .await;
}

#[tokio::test]
async fn a_pair_overwritten_in_two_steps_is_taken_whole() {
    let patient = Times {
        patience: LONG,
        ..NOTICED
    };
    let mut world = start(patient);
    let again = Authority::load(world.authority.certificate(), &world.authority.private_key()).unwrap();
    let next = issue(&again.issuing_for(AGAIN));
    std::fs::write(world.path("tls.crt"), &next.chain).unwrap();
    // Longer than it takes to notice: half of a pair is not taken, and not yet worth a word.
    sleep(Duration::from_millis(200)).await;
    assert!(!world.seen.has_changed().unwrap());
    assert!(!world.metrics.encode().contains("hubline_tls_reloads_total"));
    std::fs::write(world.path("tls.key"), next.private_key.expose()).unwrap();
    world.changed().await;
    let ends = validity(&next.chain);
    assert_eq!(world.seen.borrow().expiry().certificate, Some(ends));
    let line = format!(
        "hubline_tls_certificate_not_after_timestamp_seconds{{role=\"certificate\"}} {}",
        ends.not_after.0
    );
    world.until_metric(&line).await;
    let authority = validity(world.authority.certificate()).not_after.0;
    let line = format!("hubline_tls_certificate_not_after_timestamp_seconds{{role=\"ca\"}} {authority}");
    world.until_metric(&line).await;
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_previous_ones_in_force() {
    let mut world = start(NOTICED);
    let before = std::fs::read_to_string(world.path("tls.crt")).unwrap();
    let failed = "hubline_tls_reloads_total{result=\"failed\"} ";
    std::fs::write(world.path("tls.crt"), "broken").unwrap();
    world.until_metric(&format!("{failed}1")).await;
    std::fs::remove_file(world.path("ca.crt")).unwrap();
    world.until_metric(&format!("{failed}2")).await;
    assert!(!world.seen.has_changed().unwrap());
    assert!(world.lets_in(&world.authority), "the previous ones are in force");
    // What was there before: nothing is new.
    std::fs::write(world.path("tls.crt"), before).unwrap();
    std::fs::write(world.path("ca.crt"), world.authority.certificate()).unwrap();
    sleep(Duration::from_millis(200)).await;
    assert!(!world.seen.has_changed().unwrap());
    let other = Authority::new("other").unwrap();
    write(world.folder.path(), &other, &issue(&other));
    world.changed().await;
    assert!(world.lets_in(&other));
}

#[tokio::test]
async fn a_directory_that_was_replaced_is_found_by_the_next_look() {
    let rescanned = Times {
        rescan: Duration::from_millis(50),
        ..NOTICED
    };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test").unwrap();
    let inner = folder.path().join("tls");
    let files = write(&inner, &authority, &issue(&authority));
    let reloader = Reloader::<ServerSide>::new(files, rescanned, &Metrics::default()).unwrap();
    let (mut seen, shutdown) = (reloader.subscribe(), CancellationToken::new());
    let _running = shutdown.clone().drop_guard();
    tokio::spawn(reloader.run(shutdown));
    for _ in 0..2 {
        let old = folder.path().join("old");
        std::fs::rename(&inner, &old).unwrap();
        write(&inner, &authority, &issue(&authority));
        std::fs::remove_dir_all(old).unwrap();
        timeout(LONG, seen.changed()).await.unwrap().unwrap();
    }
}

#[test]
fn a_start_needs_files_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_directory(folder.path());
    let error = Reloader::<ServerSide>::new(files, Times::default(), &Metrics::default()).unwrap_err();
    assert!(error.to_string().starts_with("tls.ca: cannot read"), "{error}");
}
