//! Certificates by Secret, with the last good pair of each: a broken update must not take a certificate out of service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{HostName, SecretText, UnixSeconds};
use hubline::tls::{PairError, check_pair};

use crate::source::object::{Content, Secret};
use crate::source::{Fetch, Kind, Name};

/// A chain and key that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// PEM.
    pub chain: Box<str>,
    /// PEM.
    pub private_key: SecretText,
    /// The certificate's own DNS names, sorted.
    pub dns_names: Vec<HostName>,
    /// When the Secret was created.
    pub created: Option<UnixSeconds>,
}

/// Why a Secret's present content is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, as `data[tls.key]`.
    pub field: &'static str,
    /// A sentence that shows nothing of the key.
    pub message: String,
}

/// One Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Whether it came from the listing, not from a request by name.
    watched: bool,
    /// The last good pair; where there never was one, the present content as it is (without DNS names): the hub, which
    /// may know a good one from before this agent's start, judges it as well, refuses it, and keeps what it has.
    pub pair: Pair,
    /// Whether `pair` is, or was, good.
    pub has_good: bool,
    /// What is wrong with the present content, taken as a certificate.
    pub fault: Option<Fault>,
    /// The content, whatever it is.
    pub content: Arc<Content>,
}

impl Slot {
    /// One field of what it holds.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let of_pair = || match name {
            "tls.crt" if self.fault.is_none() => Some(&*self.pair.chain),
            "tls.key" if self.fault.is_none() => Some(self.pair.private_key.expose()),
            _ => None,
        };
        self.content.get(name).map(SecretText::expose).or_else(of_pair)
    }
}

/// What is known of a Secret.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lookup<'a> {
    /// It exists.
    Known(&'a Slot),
    /// It does not.
    NotFound,
    /// It was asked for and could not be had.
    Failed(&'a str),
    /// Nobody has answered yet.
    Pending,
}

/// All Secrets.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    slots: BTreeMap<Name, Slot>,
    /// Requests by name that brought none: no reason when the Secret does not exist.
    missing: BTreeMap<Name, Option<String>>,
    /// Kinds of objects for which every Secret that they refer to was answered for at some time, while all of them were
    /// read: then what is made of them is complete.
    pub(crate) answered: BTreeSet<Kind>,
}

impl Secrets {
    /// What is known of a Secret; `all_listed` when those not listed do not exist.
    #[must_use]
    pub fn lookup(&self, name: &Name, all_listed: bool) -> Lookup<'_> {
        match (self.slots.get(name), self.missing.get(name)) {
            (Some(slot), _) => Lookup::Known(slot),
            (None, Some(None)) => Lookup::NotFound,
            (None, _) if all_listed => Lookup::NotFound,
            (None, Some(Some(reason))) => Lookup::Failed(reason),
            (None, None) => Lookup::Pending,
        }
    }

    /// The first of these that nobody could answer for, with the reason.
    pub(crate) fn unanswered(&self, wanted: &BTreeSet<Name>) -> Option<String> {
        wanted.iter().find_map(|name| match self.lookup(name, false) {
            Lookup::Known(_) | Lookup::NotFound => None,
            Lookup::Failed(reason) => Some(format!("Secret {name} could not be read: {reason}")),
            Lookup::Pending => Some(format!("Secret {name} has not been read yet")),
        })
    }

    pub(crate) fn is_watched(&self, name: &Name) -> bool {
        self.slots.get(name).is_some_and(|slot| slot.watched)
    }

    pub(super) fn watched(&self) -> Vec<Name> {
        let watched = self.slots.iter().filter(|(_, slot)| slot.watched);
        watched.map(|(name, _)| name.clone()).collect()
    }

    /// Takes a listed Secret; true when something changed.
    pub(super) fn put(&mut self, name: &Name, secret: &Secret) -> bool {
        self.missing.remove(name);
        self.set(name, secret, true)
    }

    pub(super) fn delete(&mut self, name: &Name) -> bool {
        self.missing.remove(name);
        self.slots.remove(name).is_some()
    }

    /// Takes the answer to a request by name; true when something changed. What the listing says is newer.
    pub(super) fn fetched(&mut self, name: &Name, outcome: Fetch) -> bool {
        if self.is_watched(name) {
            return false;
        }
        match outcome {
            Fetch::Found(secret) => {
                let missing = self.missing.remove(name).is_some();
                self.set(name, &secret, false) || missing
            }
            Fetch::NotFound => {
                let known = self.slots.remove(name).is_some();
                self.missing.insert(name.clone(), None) != Some(None) || known
            }
            Fetch::Failed(reason) => {
                let reason = Some(reason);
                self.missing.insert(name.clone(), reason.clone()) != Some(reason)
            }
        }
    }

    /// Nobody refers to it any more.
    pub(super) fn forget_fetched(&mut self, name: &Name) {
        self.missing.remove(name);
        if !self.is_watched(name) {
            self.slots.remove(name);
        }
    }

    fn set(&mut self, name: &Name, secret: &Secret, watched: bool) -> bool {
        let before = self.slots.get(name);
        let slot = match judge(secret) {
            Ok(pair) => Slot {
                watched,
                pair,
                has_good: true,
                fault: None,
                content: Arc::clone(&secret.content),
            },
            Err(fault) => {
                let good = before.filter(|slot| slot.has_good);
                Slot {
                    watched,
                    has_good: good.is_some(),
                    pair: good.map_or_else(|| present(secret), |slot| slot.pair.clone()),
                    fault: Some(fault),
                    content: Arc::clone(&secret.content),
                }
            }
        };
        if before == Some(&slot) {
            return false;
        }
        self.slots.insert(name.clone(), slot);
        true
    }
}

/// The content as it is, good or not. A chain is no secret and may be shown, so that a key put in its place is not
/// taken for one.
fn present(secret: &Secret) -> Pair {
    let chain = secret.chain.clone().filter(|chain| !chain.contains("PRIVATE KEY"));
    Pair {
        chain: chain.unwrap_or_default(),
        private_key: secret
            .private_key
            .clone()
            .unwrap_or_else(|| SecretText::new(String::new())),
        dns_names: Vec::new(),
        created: secret.created,
    }
}

fn judge(secret: &Secret) -> Result<Pair, Fault> {
    let missing = |field, key: &str| Fault {
        field,
        message: format!(
            "Secret of type {} has no {key}; a certificate needs tls.crt and tls.key",
            secret.secret_type
        ),
    };
    let Some(chain) = &secret.chain else {
        return Err(missing("data[tls.crt]", "tls.crt"));
    };
    let Some(private_key) = &secret.private_key else {
        return Err(missing("data[tls.key]", "tls.key"));
    };
    let facts = check_pair(chain, private_key).map_err(|error| fault(&error))?;
    Ok(Pair {
        chain: chain.clone(),
        private_key: private_key.clone(),
        dns_names: facts.dns_names,
        created: secret.created,
    })
}

fn fault(error: &PairError) -> Fault {
    let field = match error {
        PairError::ChainPem(_) | PairError::ChainEmpty | PairError::Certificate { .. } => "data[tls.crt]",
        PairError::KeyPem
        | PairError::KeyMissing
        | PairError::KeyEncrypted
        | PairError::KeyUnusable
        | PairError::Mismatch => "data[tls.key]",
    };
    Fault {
        field,
        message: error.to_string(),
    }
}
