//! The annotations of an Ingress that say how its routes behave.

use std::fmt;

/// How the annotations begin that apisix-ingress-controller reads on an Ingress, and that we read as it documents them.
pub const ANNOTATION_PREFIX: &str = "k8s.apisix.apache.org/";

/// Annotations by their name without [`ANNOTATION_PREFIX`]. Values are not printed: one of them is a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Annotations(Box<[(Box<str>, Box<str>)]>);

impl Annotations {
    /// Of names without the prefix, in any order; of two with the same name the later one counts.
    pub fn new(entries: impl IntoIterator<Item = (Box<str>, Box<str>)>) -> Self {
        let sorted: std::collections::BTreeMap<_, _> = entries.into_iter().collect();
        Self(sorted.into_iter().collect())
    }

    /// The value of a name, as written.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        let (_, value) = self.0.get(at)?;
        Some(value)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Annotations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_found_by_name_and_their_values_are_not_printed() {
        let entries = [
            ("csrf-key", "hunter2"),
            ("auth-type", "keyAuth"),
            ("csrf-key", "hunter3"),
        ];
        let annotations = Annotations::new(entries.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(annotations.get("auth-type"), Some("keyAuth"));
        assert_eq!(annotations.get("csrf-key"), Some("hunter3"));
        assert_eq!(annotations.get("csrf"), None);
        assert_eq!(format!("{annotations:?}"), r#"{"auth-type", "csrf-key"}"#);
    }
}
