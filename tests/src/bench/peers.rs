//! What other controllers need for the same work.
//!
//! Measured once, on a shared machine with two cores, against a real kube-apiserver 1.36 and into a fast stand-in of the
//! Admin API: apisix-ingress-controller 1.8 (the line that writes each object through the Admin API) and 2.x with ADC
//! 0.27 (through the Admin API, or into API-driven standalone). Ratios can be trusted, last digits cannot. How they were
//! measured is written down in `docs/benchmarks.md`.

/// One controller.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) figures: &'static [PeerFigures],
}

/// At one number of Ingresses; none where nobody measured.
#[derive(Debug)]
pub(super) struct PeerFigures {
    pub(super) size: usize,
    pub(super) cold_seconds: Option<f64>,
    /// Calls for that, and the objects that they wrote.
    pub(super) cold_writes: Option<(usize, usize)>,
    pub(super) cold_cpu_seconds: Option<f64>,
    /// All of its processes.
    pub(super) peak_memory_megabytes: Option<f64>,
    /// Median and 99th percentile.
    pub(super) single_ms: Option<(f64, f64)>,
    pub(super) single_bytes: Option<f64>,
    /// Slices that ended right, of all that changed.
    pub(super) churn_right: Option<(usize, usize)>,
    pub(super) churn_behind_ms: Option<f64>,
    pub(super) restart_writes: Option<usize>,
}

const UNKNOWN: PeerFigures = PeerFigures {
    size: 0,
    cold_seconds: None,
    cold_writes: None,
    cold_cpu_seconds: None,
    peak_memory_megabytes: None,
    single_ms: None,
    single_bytes: None,
    churn_right: None,
    churn_behind_ms: None,
    restart_writes: None,
};

/// The line that Hubline is held to.
pub(super) const LINE_1_8: Peer = Peer {
    name: "1.8",
    figures: &[
        PeerFigures {
            size: 100,
            cold_seconds: Some(0.6),
            single_ms: Some((5.3, 10.0)),
            ..UNKNOWN
        },
        PeerFigures {
            size: 1_000,
            cold_seconds: Some(3.1),
            cold_writes: Some((3_015, 2_000)),
            cold_cpu_seconds: Some(2.2),
            peak_memory_megabytes: Some(83.0),
            single_ms: Some((7.5, 31.0)),
            single_bytes: Some(498.0),
            churn_right: Some((680, 773)),
            restart_writes: Some(2_093),
            ..UNKNOWN
        },
        PeerFigures {
            size: 5_000,
            cold_seconds: Some(19.0),
            cold_writes: Some((15_009, 10_000)),
            cold_cpu_seconds: Some(24.0),
            peak_memory_megabytes: Some(200.0),
            single_ms: Some((11.0, 27.0)),
            churn_right: Some((1_098, 1_287)),
            restart_writes: Some(10_190),
            ..UNKNOWN
        },
    ],
};

const LINE_2: Peer = Peer {
    name: "2.x",
    figures: &[
        PeerFigures {
            size: 100,
            cold_seconds: Some(1.4),
            single_ms: Some((116.0, 183.0)),
            ..UNKNOWN
        },
        PeerFigures {
            size: 1_000,
            cold_seconds: Some(7.0),
            cold_writes: Some((3_010, 3_000)),
            cold_cpu_seconds: Some(7.6),
            peak_memory_megabytes: Some(274.0),
            single_ms: Some((1_474.0, 1_791.0)),
            single_bytes: Some(355.0),
            churn_right: Some((773, 773)),
            churn_behind_ms: Some(2_900.0),
            restart_writes: Some(0),
        },
        PeerFigures {
            size: 5_000,
            cold_seconds: Some(51.0),
            cold_writes: Some((20_042, 20_022)),
            cold_cpu_seconds: Some(49.0),
            peak_memory_megabytes: Some(904.0),
            single_ms: Some((7_300.0, 10_600.0)),
            churn_right: Some((1_287, 1_287)),
            churn_behind_ms: Some(12_500.0),
            restart_writes: Some(0),
            ..UNKNOWN
        },
    ],
};

const LINE_2_STANDALONE: Peer = Peer {
    name: "2.x standalone",
    figures: &[
        PeerFigures {
            size: 1_000,
            cold_seconds: Some(1.6),
            cold_writes: Some((4, 1)),
            cold_cpu_seconds: Some(2.4),
            peak_memory_megabytes: Some(237.0),
            single_ms: Some((861.0, 1_277.0)),
            single_bytes: Some(1_100_000.0),
            churn_right: Some((773, 773)),
            churn_behind_ms: Some(1_200.0),
            restart_writes: Some(1),
        },
        PeerFigures {
            size: 5_000,
            cold_seconds: Some(21.0),
            cold_writes: Some((4, 1)),
            cold_cpu_seconds: Some(22.0),
            peak_memory_megabytes: Some(501.0),
            single_ms: Some((26_000.0, 26_000.0)),
            churn_right: Some((1_287, 1_287)),
            churn_behind_ms: Some(25_000.0),
            restart_writes: Some(1),
            ..UNKNOWN
        },
    ],
};

/// All of them.
pub(super) const PEERS: [&Peer; 3] = [&LINE_1_8, &LINE_2, &LINE_2_STANDALONE];

impl Peer {
    /// What was measured at a size, if anything was.
    pub(super) fn at(&self, size: usize) -> Option<&'static PeerFigures> {
        self.figures.iter().find(|figures| figures.size == size)
    }
}
