//! How each watched kind is cut down, from Kubernetes' types to [`super::object`].

pub(super) mod custom;
pub(super) mod ingress;
pub(super) mod node;
pub(super) mod secret;
pub(super) mod service;

use hubline::model::UnixSeconds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

fn created(meta: &ObjectMeta) -> Option<UnixSeconds> {
    let time = meta.creation_timestamp.as_ref()?;
    Some(UnixSeconds(time.0.as_second()))
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

fn label<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(name).map(String::as_str)
}

/// Cuts each down. Not `collect`, which would keep the allocation of the far larger type.
fn each<A, B>(full: Vec<A>, cut: impl Fn(A) -> B) -> Vec<B> {
    let mut slim = Vec::with_capacity(full.len());
    slim.extend(full.into_iter().map(cut));
    slim
}

/// Kubernetes' default protocol is TCP.
fn protocol(written: Option<String>) -> Box<str> {
    written.unwrap_or_else(|| "TCP".to_owned()).into()
}
