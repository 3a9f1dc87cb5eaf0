//! Where the API listens: a unix socket (mode 0660) or loopback.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::event::Ending;
use super::peer::Peer;
use super::refusal::Refusal;
use crate::config::ApiAddress;

/// Owner and group may connect: people who shall use `hubline` join the group.
const SOCKET_MODE: u32 = 0o660;

/// Why the API does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address cannot be taken.
    #[error("listen.api: cannot listen at {address}: {source}")]
    Bind {
        /// As configured.
        address: ApiAddress,
        /// Why.
        source: io::Error,
    },
    /// Another hub listens there.
    #[error("listen.api: another hub answers at {address}; stop it, or choose another address")]
    Taken {
        /// As configured.
        address: ApiAddress,
    },
    /// Something that is no socket stands there.
    #[error("listen.api: {} is there and no socket; remove it, or choose another address", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// The address is wider than this machine.
    #[error("listen.api: {0} is reachable from other machines; allowed: a unix socket or a loopback address")]
    Wide(SocketAddr),
    /// Serving ended.
    #[error("api: {0}")]
    Serve(io::Error),
}

/// A bound address.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket with its path.
    Unix(UnixListener, PathBuf),
    /// A loopback address.
    Loopback(TcpListener),
}

impl Listener {
    /// Where it listens; a port of 0 has become a real one.
    ///
    /// # Errors
    /// [`ApiError::Serve`] when the system does not say.
    pub fn address(&self) -> Result<ApiAddress, ApiError> {
        match self {
            Self::Unix(_, path) => Ok(ApiAddress::Unix(path.clone())),
            Self::Loopback(listener) => listener.local_addr().map(ApiAddress::Loopback).map_err(ApiError::Serve),
        }
    }
}

/// Takes an address. A socket that a dead hub left behind is replaced.
///
/// # Errors
/// [`ApiError`] names the address and what to do.
pub async fn bind(address: &ApiAddress) -> Result<Listener, ApiError> {
    let failed = |source| ApiError::Bind {
        address: address.clone(),
        source,
    };
    match address {
        ApiAddress::Loopback(socket) if !socket.ip().is_loopback() => Err(ApiError::Wide(*socket)),
        ApiAddress::Loopback(socket) => TcpListener::bind(socket).await.map(Listener::Loopback).map_err(failed),
        ApiAddress::Unix(path) => {
            free(address, path).await?;
            let listener = bind_unix(path).map_err(failed)?;
            Ok(Listener::Unix(listener, path.clone()))
        }
    }
}

/// Whether a path may be taken.
async fn free(address: &ApiAddress, path: &Path) -> Result<(), ApiError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => Err(ApiError::Occupied { path: path.to_owned() }),
        Ok(_) if UnixStream::connect(path).await.is_ok() => Err(ApiError::Taken {
            address: address.clone(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Binds beside the path and renames, so that nobody can connect before the mode is set.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    remove(&beside)?;
    let listener = UnixListener::bind(&beside)?;
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    std::fs::rename(&beside, path)?;
    Ok(listener)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// Serves until cancelled; requests that are being answered end first. A unix socket is removed then.
///
/// # Errors
/// [`ApiError::Serve`].
pub async fn serve(listener: Listener, router: Router, cancel: CancellationToken) -> Result<(), ApiError> {
    let router = router.layer(Extension(Ending(cancel.clone())));
    match listener {
        Listener::Unix(listener, path) => {
            let service = router.into_make_service_with_connect_info::<Peer>();
            let served = axum::serve(listener, service).with_graceful_shutdown(cancel.cancelled_owned());
            served.await.map_err(ApiError::Serve)?;
            remove(&path).map_err(ApiError::Serve)
        }
        Listener::Loopback(listener) => {
            let router = router.layer(from_fn(only_loopback_hosts));
            let service = router.into_make_service_with_connect_info::<Peer>();
            let served = axum::serve(listener, service).with_graceful_shutdown(cancel.cancelled_owned());
            served.await.map_err(ApiError::Serve)
        }
    }
}

/// A browser on this machine can be made to ask here under a foreign name that resolves to loopback (DNS rebinding);
/// the Host header gives it away.
async fn only_loopback_hosts(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_none_or(is_loopback_host) {
        return next.run(request).await;
    }
    let reason = "this API answers only under names of this machine";
    let allowed = ["localhost", "127.0.0.1", "[::1]"];
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, "ForeignHost", reason, &allowed).into_response()
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}
