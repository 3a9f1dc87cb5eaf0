//! Which Ingresses and custom resources are ours.

use super::TranslateOptions;
use crate::index::Index;
use crate::source::Name;
use crate::source::object::{Ingress, IngressClass};

/// How controllers of APISIX's are named.
const APISIX: &str = "apisix.apache.org/";

/// An Ingress is ours when the IngressClass it names has one of our controllers, or, where no such IngressClass exists,
/// when the class has our name. One that names no class is ours when a default IngressClass is ours.
pub(super) fn is_ours(index: &Index, options: &TranslateOptions, ingress: &Ingress) -> bool {
    match &ingress.class {
        Some(named) => is_class_ours(index, options, named),
        None => {
            let mut defaults = index.classes.values().filter(|class| class.is_default);
            defaults.any(|class| is_controller_ours(options, class))
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

fn is_controller_ours(options: &TranslateOptions, class: &IngressClass) -> bool {
    options.controllers.iter().any(|ours| **ours == *class.controller)
}

fn is_class_ours(index: &Index, options: &TranslateOptions, named: &str) -> bool {
    match index.classes.get(&Name::new("", named)) {
        Some(class) => is_controller_ours(options, class),
        None => *named == *options.ingress_class,
    }
}
