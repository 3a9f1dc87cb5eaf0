//! Which Ingresses and custom resources are ours.

use super::{TranslateOptions, ancestors};
use crate::index::Index;
use crate::output::Standing;
use crate::source::object::{Ingress, IngressClass};
use crate::source::{Kind, Name, ObjectId};

/// How controllers of APISIX's are named.
const APISIX: &str = "apisix.apache.org/";

/// An Ingress is ours when the IngressClass it names has one of our controllers, or, where no such IngressClass exists,
/// when the class has our name. One that names no class is ours when a default IngressClass is ours.
pub(super) fn is_ours(index: &Index, options: &TranslateOptions, ingress: &Ingress) -> bool {
    of_ours(index, options, ingress).is_some()
}

/// The IngressClass by which an Ingress is ours; of several default ones the first by name.
pub(super) fn of_ours<'a>(index: &'a Index, options: &TranslateOptions, ingress: &'a Ingress) -> Option<&'a str> {
    match &ingress.class {
        Some(named) => is_class_ours(index, options, named).then_some(&**named),
        None => {
            let mut defaults = index.classes.iter().filter(|(_, class)| class.is_default);
            let ours = defaults.find(|(_, class)| is_controller_ours(options, class));
            ours.map(|(name, _)| &*name.name)
        }
    }
}

/// As [`is_ours`], of a custom resource of APISIX's. One that names no class is ours as well, as apisix-ingress-controller
/// 1.8 takes it; unless the default IngressClass is of another controller of APISIX's, whose it is then, as with 2.x.
pub(super) fn is_custom_ours(index: &Index, options: &TranslateOptions, class: Option<&str>) -> bool {
    match class.filter(|class| !class.is_empty()) {
        Some(named) => is_class_ours(index, options, named),
        None => {
            let mut defaults = index.classes.values().filter(|class| class.is_default);
            !defaults.any(|class| class.controller.starts_with(APISIX) && !is_controller_ours(options, class))
        }
    }
}

/// Whose an object is on which agents tell what became of it.
pub(super) fn standing(index: &Index, options: &TranslateOptions, id: &ObjectId) -> Standing {
    let (custom, name) = (&index.custom, &id.name);
    let is_ours = |class: Option<&str>| is_custom_ours(index, options, class);
    let ours = match id.kind {
        Kind::Ingress => index.ingresses.get(name).map(|it| self::is_ours(index, options, it)),
        Kind::ApisixRoute => {
            let route = custom.apisix_routes.get(name);
            route.map(|it| is_ours(it.spec.ingress_class_name.as_deref()))
        }
        Kind::ApisixUpstream => {
            let upstream = custom.apisix_upstreams.get(name);
            upstream.map(|it| is_ours(it.spec.ingress_class_name.as_deref()))
        }
        Kind::ApisixPluginConfig => {
            let config = custom.apisix_plugin_configs.get(name);
            config.map(|it| is_ours(it.spec.ingress_class_name.as_deref()))
        }
        Kind::ApisixTls => {
            let tls = custom.apisix_tls.get(name);
            tls.map(|it| is_ours(it.spec.ingress_class_name.as_deref()))
        }
        Kind::ApisixConsumer => {
            let consumer = custom.apisix_consumers.get(name);
            consumer.map(|it| is_ours(it.spec.ingress_class_name.as_deref()))
        }
        Kind::ApisixGlobalRule => {
            let rule = custom.apisix_global_rules.get(name);
            rule.map(|it| is_ours(it.spec.ingress_class_name.as_deref()))
        }
        Kind::Consumer
        | Kind::PluginConfig
        | Kind::GatewayProxy
        | Kind::BackendTrafficPolicy
        | Kind::HttpRoutePolicy
        | Kind::L4RoutePolicy => custom.has(id.kind, name).then_some(true),
        // Nothing is told on these.
        _ => None,
    };
    let listed = [id.kind, Kind::IngressClass];
    let listed = listed.iter().all(|kind| index.listings.is_listed(*kind)) && ancestors::are_known(index, id.kind);
    match ours.filter(|_| listed) {
        None => Standing::Unknown,
        Some(true) => Standing::Ours,
        Some(false) => Standing::Foreign,
    }
}

fn is_controller_ours(options: &TranslateOptions, class: &IngressClass) -> bool {
    options.controllers.iter().any(|ours| **ours == *class.controller)
}

fn is_class_ours(index: &Index, options: &TranslateOptions, named: &str) -> bool {
    match index.classes.get(&Name::new("", named)) {
        Some(class) => is_controller_ours(options, class),
        None => *named == *options.ingress_class,
    }
}
