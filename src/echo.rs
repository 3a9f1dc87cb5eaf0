//! What agent and hub agree on about the agent's echo port: HTTP/1.1, `GET` of a path below [`PATH`] whose last segment
//! is a nonce; the answer has the cluster's name in [`CLUSTER_HEADER`] and the nonce as its body.

/// Below this path everything is answered.
pub const PATH: &str = "/hubline/echo";

/// The header with the cluster's name.
pub const CLUSTER_HEADER: &str = "hubline-cluster";

/// Most bytes of a nonce: two UUIDs.
pub const MAX_NONCE: usize = 73;

/// Whether a text may be a nonce: letters that mean nothing to anyone who may see them, so that a stranger's text is
/// never given back.
#[must_use]
pub fn is_nonce(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(allowed)
}
