//! An API server that knows objects with statuses and resourceVersions, and events; and counts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::source::{FIELD_MANAGER, ObjectId, Reported, ReportedStatus};

/// See the module. Cloning shares.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>, Arc<Notify>);

#[derive(Default)]
struct State {
    /// By path.
    objects: BTreeMap<String, Value>,
    version: u64,
    calls: Vec<String>,
    fault: Option<(u16, &'static str)>,
    silent: bool,
}

impl Server {
    pub(super) fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap();
                let silent = server.call(&format!("{} {}", parts.method, parts.uri.path()));
                if silent {
                    std::future::pending::<()>().await;
                }
                let query = parts.uri.query().unwrap_or_default();
                assert!(query.contains(&format!("fieldManager={FIELD_MANAGER}")), "{query}");
                let (status, answer) = server.answer(&parts.method, parts.uri.path(), &body);
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(status).body(answer).unwrap())
            }
        });
        kube::Client::new(service, "shop")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn call(&self, call: &str) -> bool {
        let mut state = self.state();
        state.calls.push(call.to_owned());
        self.1.notify_waiters();
        state.silent
    }

    /// Answers everything with this, until it is taken away.
    pub(super) fn set_fault(&self, fault: Option<(u16, &'static str)>) {
        self.state().fault = fault;
    }

    /// Answers nothing.
    pub(super) fn set_silent(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// Waits until there were so many calls.
    pub(super) async fn called(&self, count: usize) {
        loop {
            let more = self.1.notified();
            if self.state().calls.len() >= count {
                return;
            }
            more.await;
        }
    }

    /// The calls since the last time.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// Makes an object, or changes it as somebody else would.
    pub(super) fn put(&self, path: &str, status: &Value) {
        let mut state = self.state();
        state.version += 1;
        let metadata = json!({"name": "x", "namespace": "shop", "uid": "u-1", "generation": 1,
            "resourceVersion": state.version.to_string()});
        let object = json!({"apiVersion": "v1", "kind": "X", "metadata": metadata, "status": status});
        state.objects.insert(path.to_owned(), object);
    }

    pub(super) fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    /// What an object says.
    pub(super) fn get(&self, path: &str) -> Value {
        self.state().objects.get(path).cloned().unwrap_or_default()
    }

    /// All events.
    pub(super) fn events(&self) -> Vec<Value> {
        let state = self.state();
        let events = state.objects.iter().filter(|(path, _)| path.contains("/events/"));
        events.map(|(_, event)| event.clone()).collect()
    }

    /// As a watch would tell it.
    pub(super) fn reported(&self, id: &ObjectId, path: &str) -> Reported {
        let object = self.get(path);
        let status = ReportedStatus::of(id.kind, &object["status"]);
        Reported::new(&serde_json::from_value(object["metadata"].clone()).unwrap(), status)
    }

    fn answer(&self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let mut state = self.state();
        if let Some((code, reason)) = state.fault {
            return failure(code, reason);
        }
        if *method == Method::POST {
            let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
            if state.objects.contains_key(&path) {
                return failure(409, "AlreadyExists");
            }
            state.objects.insert(path, body.clone());
            return (201, body.clone());
        }
        assert_eq!(*method, Method::PATCH);
        let (path, status) = match path.strip_suffix("/status") {
            Some(path) => (path, true),
            None => (path, false),
        };
        state.version += 1;
        let version = state.version.to_string();
        let Some(object) = state.objects.get_mut(path) else {
            return failure(404, "NotFound");
        };
        if !status {
            merge(object, body);
            return (200, object.clone());
        }
        let based_on = &body["metadata"]["resourceVersion"];
        if !based_on.is_null() && *based_on != object["metadata"]["resourceVersion"] {
            return failure(409, "Conflict");
        }
        merge(&mut object["status"], &body["status"]);
        object["metadata"]["resourceVersion"] = json!(version);
        (200, object.clone())
    }
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut into[name], value);
        }
    }
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code});
    (code, status)
}
