//! The kinds of objects that the Admin API knows, and what it calls them.

/// One kind of object of the Admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `routes`
    Route,
    /// `services`
    Service,
    /// `upstreams`
    Upstream,
    /// `consumers`
    Consumer,
    /// `consumers/{name}/credentials`
    Credential,
    /// `consumer_groups`
    ConsumerGroup,
    /// `plugin_configs`
    PluginConfig,
    /// `global_rules`
    GlobalRule,
    /// `plugin_metadata`
    PluginMetadata,
    /// `secrets/{manager}`
    Secret,
    /// `protos`
    Proto,
    /// `ssls`
    Ssl,
    /// `stream_routes`
    StreamRoute,
}

/// What sets one kind apart from the others.
struct Names {
    kind: Kind,
    /// the segment after `/apisix/admin/`, and after `/apisix/` in keys
    collection: &'static str,
    /// the word in error messages
    noun: &'static str,
    /// the name under `/apisix/admin/schema/`
    schema: &'static str,
    /// methods answered with 405
    unsupported: &'static [&'static str],
}

const fn names(
    kind: Kind,
    collection: &'static str,
    noun: &'static str,
    schema: &'static str,
    unsupported: &'static [&'static str],
) -> Names {
    Names {
        kind,
        collection,
        noun,
        schema,
        unsupported,
    }
}

/// In the order of [`Kind`]'s variants.
const NAMES: [Names; 13] = [
    names(Kind::Route, "routes", "route", "route", &[]),
    names(Kind::Service, "services", "service", "service", &[]),
    names(Kind::Upstream, "upstreams", "upstream", "upstream", &[]),
    names(Kind::Consumer, "consumers", "consumer", "consumer", &["POST", "PATCH"]),
    names(
        Kind::Credential,
        "credentials",
        "credential",
        "credential",
        &["POST", "PATCH"],
    ),
    names(
        Kind::ConsumerGroup,
        "consumer_groups",
        "consumer group",
        "consumer_group",
        &["POST"],
    ),
    names(
        Kind::PluginConfig,
        "plugin_configs",
        "plugin config",
        "plugin_config",
        &["POST"],
    ),
    names(
        Kind::GlobalRule,
        "global_rules",
        "global rule",
        "global_rule",
        &["POST"],
    ),
    names(
        Kind::PluginMetadata,
        "plugin_metadata",
        "plugin_metadata",
        "plugin_metadata",
        &["POST", "PATCH"],
    ),
    names(Kind::Secret, "secrets", "secret", "secret", &["POST"]),
    names(Kind::Proto, "protos", "proto", "proto", &[]),
    names(Kind::Ssl, "ssls", "ssl", "ssl", &[]),
    names(
        Kind::StreamRoute,
        "stream_routes",
        "stream route",
        "stream_route",
        &["PATCH"],
    ),
];

impl Kind {
    fn names(self) -> &'static Names {
        &NAMES[self as usize]
    }

    /// The path segment of the Admin API, such as `plugin_configs`.
    pub fn collection(self) -> &'static str {
        self.names().collection
    }

    /// The word that error messages use, such as `plugin config`.
    pub(crate) fn noun(self) -> &'static str {
        self.names().noun
    }

    pub(crate) fn schema_name(self) -> &'static str {
        self.names().schema
    }

    pub(crate) fn supports(self, method: &str) -> bool {
        !self.names().unsupported.contains(&method)
    }

    /// The kind of `/apisix/admin/{collection}`; credentials have no collection of their own.
    pub(crate) fn from_collection(collection: &str) -> Option<Kind> {
        let found = NAMES.iter().find(|names| names.collection == collection)?;
        (found.kind != Kind::Credential).then_some(found.kind)
    }

    /// The key in etcd of the object `id`; ids of credentials are `{consumer}/credentials/{id}`.
    pub(crate) fn key(self, id: &str) -> String {
        match self {
            Kind::Credential => format!("/apisix/consumers/{id}"),
            _ => format!("/apisix/{}/{id}", self.collection()),
        }
    }

    /// Consumers and plugin metadata are named by the path or the user name, never by `id`.
    pub(crate) fn has_id(self) -> bool {
        !matches!(self, Kind::Consumer | Kind::PluginMetadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_the_variants() {
        for (index, names) in NAMES.iter().enumerate() {
            assert_eq!(names.kind as usize, index, "{}", names.collection);
        }
    }
}
