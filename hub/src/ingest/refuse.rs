//! What an agent is told when it is refused. Codes that trying again does not change make it try slowly.

use hubline::model::ClusterId;
use hubline::tls::IdentityError;
use hubline::wire::WireError;
use tonic::{Code, Status};

use crate::cluster::CloseReason;

/// Why a session ends from this side, with the value of the metric label.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) label: &'static str,
    pub(super) status: Status,
}

impl Refused {
    pub(super) fn invalid(problem: impl Into<String>) -> Self {
        Self {
            label: "invalid",
            status: Status::invalid_argument(problem),
        }
    }

    pub(super) fn wire(message: &'static str, error: &WireError) -> Self {
        Self {
            label: error.reason(),
            status: Status::invalid_argument(format!("message {message}: {error}")),
        }
    }

    pub(super) fn closed(reason: &CloseReason) -> Self {
        Self {
            label: reason.label(),
            status: status(reason),
        }
    }

    pub(super) fn silent(what: &str, seconds: u64) -> Self {
        Self {
            label: "silent",
            status: Status::deadline_exceeded(format!("{what} within {seconds} s")),
        }
    }

    /// Not a refusal for good: the agent comes again at once with what is in its files by then.
    pub(super) fn certificate(error: &rustls::Error) -> Self {
        Self {
            label: "certificate",
            status: Status::unavailable(format!(
                "the agent's certificate is no longer one that the hub trusts: {error}"
            )),
        }
    }

    pub(super) fn too_large(problem: String) -> Self {
        Self {
            label: "too-large",
            status: Status::resource_exhausted(problem),
        }
    }

    pub(super) fn busy() -> Self {
        Self {
            label: "busy",
            status: Status::unavailable("the hub takes in as many snapshots as it has memory for; try again"),
        }
    }

    /// The stream broke: cut, or what came is no message. Decoding fails as `Internal` in tonic, but it is not the hub
    /// that is at fault, and trying again does not change it.
    pub(super) fn broken(status: Status) -> Self {
        if status.code() == Code::Internal && status.message().contains("decode") {
            return Self {
                label: "malformed",
                status: Status::invalid_argument(format!("not a message of hubline.v1: {}", status.message())),
            };
        }
        Self {
            label: "broken-stream",
            status,
        }
    }

    pub(super) fn wrong_cluster(certificate: &ClusterId, claimed: &str) -> Self {
        Self {
            label: "wrong-cluster",
            status: Status::permission_denied(format!(
                "hello.cluster is {claimed:?}, but the certificate is for {certificate}; they must agree"
            )),
        }
    }
}

fn status(reason: &CloseReason) -> Status {
    let text = reason.to_string();
    match reason {
        CloseReason::WrongUid { .. } | CloseReason::NotConfigured => Status::permission_denied(text),
        CloseReason::NoUid => Status::invalid_argument(text),
        CloseReason::CannotSynchronize { .. } => Status::aborted(text),
        CloseReason::TooManyResources { .. } => Status::failed_precondition(text),
        CloseReason::TryLater { .. } | CloseReason::SayHelloAgain | CloseReason::TooSlow | CloseReason::Stopping => {
            Status::unavailable(text)
        }
    }
}

pub(super) fn identity(error: &IdentityError) -> Status {
    Status::permission_denied(error.to_string())
}

pub(super) fn unencrypted() -> Status {
    Status::unauthenticated("no client certificate; agents must show one of the hub's authority")
}

pub(super) fn too_many_sessions(most: usize) -> Status {
    Status::unavailable(format!("the hub has {most} sessions, no more are taken; try again"))
}
