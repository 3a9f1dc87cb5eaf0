//! The promises of DESIGN section 5 that can be judged at each write, while the run goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hubline_hub::object::{Object, ObjectId};
use tokio::time::Instant;

use crate::hub::ownership;
use crate::log::Log;
use crate::oracle::is_empty;
use crate::target::{Body, owned};
use crate::truth::Truth;

/// `Pace::standard().grace`: between removing the last that referred to an object and removing it.
const GRACE: Duration = Duration::from_secs(2);

/// What is remembered of the target's past.
#[derive(Debug)]
pub(crate) struct Promises {
    truth: Truth,
    log: Log,
    marker: ObjectId,
    /// When the target changed last in a way that the hub was not told of.
    surprised: Instant,
    /// When the last complete listing that the hub got began.
    observed: Option<Instant>,
    /// Since when nothing refers to an object.
    unreferred: BTreeMap<ObjectId, Instant>,
}

impl Promises {
    pub(crate) fn new(truth: Truth, log: Log) -> Self {
        Self {
            truth,
            log,
            marker: ownership().marker().id.clone(),
            surprised: Instant::now(),
            observed: None,
            unreferred: BTreeMap::new(),
        }
    }

    /// The target is not as the hub believes.
    pub(crate) fn surprised(&mut self) {
        self.surprised = Instant::now();
    }

    /// The target lost everything.
    pub(crate) fn forgotten(&mut self) {
        self.surprised();
        self.unreferred.clear();
    }

    pub(crate) fn observed_from(&mut self, began: Instant) {
        self.observed = Some(began);
    }

    pub(crate) fn unreferred(&mut self, id: &ObjectId) {
        self.unreferred.insert(id.clone(), Instant::now());
    }

    /// Who referred to it was removed by somebody else.
    pub(crate) fn excused(&mut self, id: &ObjectId) {
        self.unreferred.remove(id);
    }

    pub(crate) fn written(&mut self, object: &Object) {
        self.truth.written(object);
    }

    /// An operation that leaves, or needs, what is not there: the hub knew better.
    pub(crate) fn dangling(&self, what: impl fmt::Display) {
        if self.observed.is_some_and(|observed| observed > self.surprised) {
            self.log.violation("no-dangling-reference", what);
        }
    }

    pub(crate) fn on_put(&self, object: &Object, before: Option<&Body>, body: &Body) {
        let id = &object.id;
        self.only_ours("put", id, before);
        let had_nodes = before.is_some_and(|before| !is_empty(before));
        let emptied = had_nodes && is_empty(body) && !self.truth.doubt(id).emptied && !self.is_marker(id);
        if emptied {
            self.log.violation(
                "an-error-is-not-an-empty-list",
                format_args!("{id} loses all nodes, which it always had"),
            );
        }
    }

    pub(crate) fn on_delete(&self, id: &ObjectId, before: &Body) {
        self.only_ours("delete", id, Some(before));
        let doubt = self.truth.doubt(id);
        if !doubt.unwanted && !doubt.contested {
            self.log.violation(
                "silence-withdraws-nothing",
                format_args!("{id} is deleted, and was wanted ever since it was written"),
            );
        }
        let unreferred = self.unreferred.get(id);
        if unreferred.is_some_and(|since| since.elapsed() < GRACE) {
            self.log.violation(
                "no-dangling-reference",
                format_args!(
                    "{id} is deleted {:?} after it was referred to",
                    unreferred.map(Instant::elapsed)
                ),
            );
        }
    }

    fn is_marker(&self, id: &ObjectId) -> bool {
        *id == self.marker
    }

    fn only_ours(&self, verb: &str, id: &ObjectId, before: Option<&Body>) {
        let theirs = before.is_some_and(|body| !owned(id, body));
        if theirs || !ownership().has_our_id(&id.id) {
            self.log
                .violation("foreign-objects-are-untouched", format_args!("{verb} {id}"));
        }
        if verb == "delete" && self.is_marker(id) {
            self.log
                .violation("nothing-changed-writes-nothing", "the marker is deleted");
        }
    }
}
