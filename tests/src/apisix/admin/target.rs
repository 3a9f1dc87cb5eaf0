//! What a path below `/apisix/admin/` means.

use super::Answer;
use crate::apisix::kind::Kind;

/// The object or the collection that a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// the consumer of a credential, the manager of a secret
    pub(super) owner: Option<String>,
    /// none for the collection
    pub(super) id: Option<String>,
    /// what PATCH changes inside the object; empty for the whole of it
    pub(super) rest: String,
}

impl Target {
    pub(super) fn parse(segments: &[&str]) -> Result<Self, Answer> {
        let (first, below) = segments.split_first().unwrap_or((&"", &[]));
        let Some(kind) = Kind::from_collection(first) else {
            let message = format!("Unsupported resource type: {first}");
            return Err(Answer::error(404, &message).unversioned());
        };
        Ok(match (kind, below) {
            (Kind::Consumer, [consumer, "credentials", below @ ..]) => Self::owned(Kind::Credential, consumer, below),
            (Kind::Secret, [manager, below @ ..]) => Self::owned(kind, manager, below),
            (kind, below) => Self::inside(kind, None, below),
        })
    }

    fn owned(kind: Kind, owner: &str, below: &[&str]) -> Self {
        Self::inside(kind, Some(owner.to_owned()), below)
    }

    fn inside(kind: Kind, owner: Option<String>, below: &[&str]) -> Self {
        let (id, rest) = match below.split_first() {
            Some((id, rest)) if !id.is_empty() => (Some((*id).to_owned()), rest.join("/")),
            _ => (None, String::new()),
        };
        Self { kind, owner, id, rest }
    }

    /// The id under which the store keeps the object that this target calls `id`.
    pub(super) fn stored_id(&self, id: &str) -> String {
        match (self.kind, &self.owner) {
            (Kind::Credential, Some(consumer)) => format!("{consumer}/credentials/{id}"),
            (Kind::Secret, Some(manager)) => format!("{manager}/{id}"),
            _ => id.to_owned(),
        }
    }

    /// The id that errors and values name: a secret's has its manager in front.
    pub(super) fn named_id(&self) -> Option<String> {
        let id = self.id.as_deref()?;
        Some(if self.kind == Kind::Secret {
            self.stored_id(id)
        } else {
            id.to_owned()
        })
    }

    pub(super) fn missing_id(&self) -> Answer {
        Answer::error(400, &format!("missing {} id", self.kind.noun()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_objects() {
        let table = [
            ("routes", Kind::Route, None, ""),
            ("routes/", Kind::Route, None, ""),
            ("upstreams/1/nodes/0", Kind::Upstream, Some("1"), "nodes/0"),
            ("consumers/jack", Kind::Consumer, Some("jack"), ""),
            ("consumers/jack/credentials", Kind::Credential, None, ""),
            (
                "consumers/jack/credentials/c",
                Kind::Credential,
                Some("jack/credentials/c"),
                "",
            ),
            ("secrets/vault/1", Kind::Secret, Some("vault/1"), ""),
        ];
        for (path, kind, stored, rest) in table {
            let target = Target::parse(&path.split('/').collect::<Vec<_>>()).unwrap();
            let id = target.id.as_deref().map(|id| target.stored_id(id));
            assert_eq!(
                (target.kind, id.as_deref(), &*target.rest),
                (kind, stored, rest),
                "{path}"
            );
        }
    }
}
