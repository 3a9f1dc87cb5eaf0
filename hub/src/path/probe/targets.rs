//! Asking one configured target.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::get::{Io, Wanted, get};
use super::grpc;
use super::judge::Miss;
use super::names::Names;
use super::sockets::{Sockets, connect};
use super::target::{TargetKind, TargetProbe};
use super::tls::TlsFiles;
use crate::path::Allowed;
use crate::path::evidence::{NoData, ProbeFailure, ProbeResult};

/// What a target is asked with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) timeout: Duration,
    pub(super) allowed: &'a Allowed,
    pub(super) names: &'a Names,
    pub(super) sockets: &'a Sockets,
    pub(super) tls: &'a TlsFiles,
}

/// Asks one target.
pub(super) async fn ask(target: &TargetProbe, means: Means<'_>) -> ProbeResult {
    let asked = async {
        let _place = means.sockets.place(means.timeout).await?;
        let began = Instant::now();
        let exchange = exchange(target, means, began + means.timeout);
        match tokio::time::timeout(means.timeout, exchange).await {
            Ok(done) => done?,
            Err(_) => return Err(ProbeFailure::Timeout.into()),
        }
        Ok(ProbeResult::Good {
            round_trip: began.elapsed(),
        })
    };
    asked.await.unwrap_or_else(|miss: Miss| miss.into())
}

async fn exchange(target: &TargetProbe, means: Means<'_>, deadline: Instant) -> Result<(), Miss> {
    let stream = reach(target, means, deadline).await?;
    if target.kind == TargetKind::Tcp {
        return Ok(());
    }
    let mut io: Box<dyn Io> = match &target.tls {
        Some(check) => Box::new(means.tls.connect(target, check, stream).await?),
        None => Box::new(stream),
    };
    match target.kind {
        TargetKind::Tcp | TargetKind::Tls => Ok(()),
        TargetKind::Http => ask_http(target, io.as_mut()).await,
        TargetKind::Grpc => {
            let check = target.grpc.clone().unwrap_or_default();
            Ok(grpc::check(io, &target.address, &check.service).await?)
        }
    }
}

/// Its addresses one after the other: the second of a name is there for when the first is not.
async fn reach(target: &TargetProbe, means: Means<'_>, deadline: Instant) -> Result<TcpStream, Miss> {
    let resolving = means.names.resolve(&target.address, Some(means.allowed));
    let resolving = tokio::time::timeout_at(deadline, resolving).await;
    let addresses = resolving.map_err(|_| Miss::Nothing(NoData::Unresolved))??;
    let mut missed = Miss::Nothing(NoData::Unresolved);
    for address in addresses {
        match connect(address, deadline).await {
            Ok(stream) => return Ok(stream),
            Err(miss) => missed = miss,
        }
    }
    Err(missed)
}

async fn ask_http(target: &TargetProbe, io: &mut dyn Io) -> Result<(), Miss> {
    let check = target.http.clone().unwrap_or_default();
    let host = check.host.as_deref().unwrap_or(&target.address);
    let answer = get(io, host, &check.path, Wanted::Head).await?;
    if check.statuses.iter().any(|range| range.contains(answer.status)) {
        return Ok(());
    }
    Err(ProbeFailure::Answer(format!("status {}", answer.status)).into())
}
