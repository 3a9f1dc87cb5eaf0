//! The custom resources of APISIX: a map for each kind, all alike.

use std::collections::BTreeMap;

use super::{Unit, replace};
use crate::source::{Kind, Name, Object, object};

macro_rules! custom_objects {
    ($($field:ident: $kind:ident;)*) => {
        /// See the module.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct CustomObjects {
            $(pub(crate) $field: BTreeMap<Name, object::$kind>),*
        }

        impl CustomObjects {
            /// Whether an object is known.
            pub(super) fn has(&self, kind: Kind, name: &Name) -> bool {
                match kind {
                    $(Kind::$kind => self.$field.contains_key(name),)*
                    _ => false,
                }
            }

            /// Names of the known objects of a kind.
            pub(super) fn names(&self, kind: Kind) -> Vec<Name> {
                match kind {
                    $(Kind::$kind => self.$field.keys().cloned().collect(),)*
                    _ => Vec::new(),
                }
            }

            /// Sets an object; true when something changed.
            pub(super) fn put(&mut self, object: Object) -> bool {
                match object {
                    $(Object::$kind(name, object) => replace(&mut self.$field, &name, Some(object)).is_some(),)*
                    _ => false,
                }
            }

            /// Removes an object; true when it was there.
            pub(super) fn delete(&mut self, kind: Kind, name: &Name) -> bool {
                match kind {
                    $(Kind::$kind => self.$field.remove(name).is_some(),)*
                    _ => false,
                }
            }

            /// Units of all objects.
            pub(super) fn units(&self) -> impl Iterator<Item = Unit> {
                std::iter::empty()$(.chain(self.$field.keys().cloned().map(Unit::$kind)))*
            }
        }
    };
}

custom_objects! {
    apisix_routes: ApisixRoute;
    apisix_upstreams: ApisixUpstream;
    apisix_tls: ApisixTls;
    apisix_consumers: ApisixConsumer;
    apisix_plugin_configs: ApisixPluginConfig;
    apisix_global_rules: ApisixGlobalRule;
    backend_traffic_policies: BackendTrafficPolicy;
    http_route_policies: HttpRoutePolicy;
    l4_route_policies: L4RoutePolicy;
    consumers: Consumer;
    plugin_configs: PluginConfig;
    gateway_proxies: GatewayProxy;
}
