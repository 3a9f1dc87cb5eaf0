//! Echoes, endpoints and a prober to ask them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hubline::model::ClusterId;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::path::Allowed;
use crate::path::evidence::{Evidence, ProbeResult, Vantage};
use crate::path::parameters::BackOff;
use crate::path::probe::{Finding, ProbeContext, ProbeSpec, Sample, Sockets, TimeoutPolicy, probe_path};

/// Generous: it only bounds a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Short, so that tests are: what they wait for comes some rounds later, whenever that is.
pub(super) const INTERVAL: Duration = Duration::from_millis(20);

/// What a server tells the test.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Connected,
    Asked,
}

/// A server on 127.0.0.1; gone, with its connections, when dropped or stopped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) heard: mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Server {
    /// Ends it; when this returns, connections to it are refused.
    pub(super) async fn stop(mut self) -> SocketAddr {
        self.task.abort();
        (&mut self.task).await.ok();
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that refuses, for as long as this is held: it is bound, so that nobody else gets it, and does not listen.
pub(super) struct Refusing {
    pub(super) address: SocketAddr,
    _bound: TcpSocket,
}

pub(super) fn refusing() -> Refusing {
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.local_addr().unwrap();
    Refusing { address, _bound: bound }
}

pub(super) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts, and never says anything.
pub(super) async fn silent() -> Server {
    serve(None).await
}

/// Answers as the agent of that cluster.
pub(super) async fn echo(cluster: &str) -> Server {
    serve(Some(echoing(cluster))).await
}

/// Answers as that agent until it is silenced by the flag.
pub(super) async fn echo_until(cluster: &str, silenced: Arc<AtomicBool>) -> Server {
    let answer = echoing(cluster);
    let unless_silenced = move |nonce: &str| {
        let silent = silenced.load(Ordering::Relaxed);
        if silent { String::new() } else { answer(nonce) }
    };
    serve(Some(Arc::new(unless_silenced))).await
}

/// Answers always the same.
pub(super) async fn answering(text: &'static str) -> Server {
    serve(Some(Arc::new(|_: &str| text.to_owned()))).await
}

fn echoing(cluster: &str) -> Answering {
    let cluster = cluster.to_owned();
    Arc::new(move |nonce: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nhubline-cluster: {cluster}\r\ncontent-length: {}\r\n\r\n{nonce}",
            nonce.len()
        )
    })
}

type Answering = Arc<dyn Fn(&str) -> String + Send + Sync>;

async fn serve(answering: Option<Answering>) -> Server {
    let (listener, address) = listener().await;
    serve_on(listener, address, answering)
}

fn serve_on(listener: TcpListener, address: SocketAddr, answering: Option<Answering>) -> Server {
    let (tell, heard) = mpsc::channel(10_000);
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            tell.try_send(Heard::Connected).unwrap();
            connections.spawn(talk(stream, answering.clone(), tell.clone()));
        }
    });
    Server { address, heard, task }
}

/// The same echo again, where it was.
pub(super) async fn echo_again(cluster: &str, address: SocketAddr) -> Server {
    let fresh = echo(cluster).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(64).unwrap();
    drop(fresh);
    serve_on(listener, address, Some(echoing(cluster)))
}

async fn talk(stream: TcpStream, answering: Option<Answering>, tell: mpsc::Sender<Heard>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut nonce = String::new();
    loop {
        let line = match lines.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => return,
            // No text, as TLS: it is silent to that too.
            Err(_) => std::future::pending().await,
        };
        if let Some(asked) = line.strip_prefix("GET ") {
            let path = asked.split_whitespace().next().unwrap();
            nonce = path.rsplit('/').next().unwrap().to_owned();
        } else if line.is_empty() {
            tell.try_send(Heard::Asked).unwrap();
            if let Some(answering) = &answering
                && write.write_all(answering(&nonce).as_bytes()).await.is_err()
            {
                return;
            }
        }
    }
}

pub(super) fn cluster() -> ClusterId {
    ClusterId::new("room-a").unwrap()
}

/// A path whose echo is at `echo`, and nothing else; samples change through the sender.
pub(super) fn spec(echo: &[SocketAddr]) -> (ProbeSpec, watch::Sender<Arc<[Sample]>>) {
    let (sender, samples) = watch::channel::<Arc<[Sample]>>(Arc::new([]));
    let spec = ProbeSpec {
        cluster: cluster(),
        path: "leased-line".into(),
        interval: INTERVAL,
        gateway_interval: Duration::from_secs(3_600),
        back_off: BackOff::default(),
        timeout: TimeoutPolicy::Auto,
        echo: echo.iter().map(ToString::to_string).collect(),
        expected_cluster: cluster(),
        targets: Vec::new(),
        samples,
        gateways: Vec::new(),
        allowed: Allowed::new(&["127.0.0.0/8".parse().unwrap()]),
    };
    (spec, sender)
}

/// Endpoints, each on a node of its own.
pub(super) fn samples(addresses: &[SocketAddr]) -> Arc<[Sample]> {
    let sample = |(at, address): (usize, &SocketAddr)| Sample {
        address: *address,
        node: Some(format!("node-{at}").into()),
    };
    addresses.iter().enumerate().map(sample).collect()
}

/// A running prober and what it finds.
pub(super) struct Running {
    pub(super) spec: watch::Sender<Arc<ProbeSpec>>,
    pub(super) sockets: Sockets,
    pub(super) task: JoinHandle<()>,
    pub(super) shutdown: CancellationToken,
    /// From when the moments of evidence count.
    pub(super) began: Instant,
    findings: mpsc::Receiver<Finding>,
    _ends: DropGuard,
}

impl Running {
    pub(super) fn start(spec: ProbeSpec) -> Self {
        Self::start_with(spec, Sockets::default())
    }

    pub(super) fn start_with(spec: ProbeSpec, sockets: Sockets) -> Self {
        let (to, findings) = mpsc::channel(4);
        let (spec, specs) = watch::channel(Arc::new(spec));
        let (shutdown, began) = (CancellationToken::new(), Instant::now());
        let context = ProbeContext {
            findings: to,
            sockets: sockets.clone(),
            began,
            seed: 1,
        };
        let task = tokio::spawn(probe_path(specs, context, shutdown.clone()));
        Self {
            spec,
            sockets,
            task,
            shutdown: shutdown.clone(),
            began,
            findings,
            _ends: shutdown.drop_guard(),
        }
    }

    /// The next evidence of a vantage.
    pub(super) async fn next(&mut self, vantage: &Vantage) -> Evidence {
        let found = tokio::time::timeout(PATIENCE, self.find(vantage)).await;
        found.unwrap_or_else(|_| panic!("nothing comes from {vantage}"))
    }

    async fn find(&mut self, vantage: &Vantage) -> Evidence {
        loop {
            let (of, path, evidence) = self.findings.recv().await.unwrap();
            assert_eq!((of, path.as_ref()), (cluster(), "leased-line"));
            if evidence.vantage == *vantage {
                return evidence;
            }
        }
    }

    /// The next result of the line.
    pub(super) async fn line(&mut self) -> ProbeResult {
        self.next(&Vantage::Line).await.result
    }

    /// Waits for a result of a vantage, and gives those that came before.
    pub(super) async fn until(&mut self, vantage: &Vantage, wanted: impl Fn(&ProbeResult) -> bool) -> Vec<ProbeResult> {
        let (mut before, began) = (Vec::new(), Instant::now());
        loop {
            assert!(began.elapsed() < PATIENCE, "{before:?}");
            let result = self.next(vantage).await.result;
            let found = wanted(&result);
            before.push(result);
            if found {
                return before;
            }
        }
    }
}

pub(super) fn is_good(result: &ProbeResult) -> bool {
    matches!(result, ProbeResult::Good { .. })
}

pub(super) fn is_bad(result: &ProbeResult) -> bool {
    matches!(result, ProbeResult::Bad(_))
}
