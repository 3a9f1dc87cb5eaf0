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
            pub(crate) fn has(&self, kind: Kind, name: &Name) -> bool {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::index::{Index, Unit};
    use crate::source::{Object, SourceEvent, manifest};

    /// Objects of all custom kinds.
    fn objects() -> Vec<Object> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/crd");
        let events = manifest::read_once(&folder).unwrap();
        let listed = events.into_iter().filter_map(|event| match event {
            SourceEvent::Listed(object) => Some(*object),
            _ => None,
        });
        listed.collect()
    }

    fn dirty(index: &mut Index) -> Vec<Unit> {
        std::iter::from_fn(|| index.next_dirty()).collect()
    }

    #[test]
    fn an_object_that_changes_makes_its_own_unit_dirty_and_no_other() {
        for object in objects() {
            let id = object.id();
            let mut index = Index::default();
            let apply = || SourceEvent::Apply(Box::new(object.clone()));
            index.apply(apply());
            let units = dirty(&mut index);
            let expected = format!("{:?}({:?})", id.kind, id.name);
            assert_eq!(
                units.iter().map(|unit| format!("{unit:?}")).collect::<Vec<_>>(),
                [expected]
            );
            assert!(index.has(&id), "{id:?}");
            assert_eq!(index.names(id.kind), std::slice::from_ref(&id.name));
            index.apply(apply());
            assert_eq!(dirty(&mut index), [], "{id:?} did not change");
            index.touch_everything();
            assert!(dirty(&mut index).contains(&units[0]), "{id:?}");
            index.apply(SourceEvent::Delete(id.clone()));
            assert_eq!(dirty(&mut index), units);
            assert!(!index.has(&id) && index.names(id.kind).is_empty(), "{id:?}");
        }
    }
}
