//! Which Ingresses are ours.

use super::TranslateOptions;
use crate::index::Index;
use crate::source::Name;
use crate::source::object::{Ingress, IngressClass};

/// An Ingress is ours when the IngressClass it names has one of our controllers, or, where no such IngressClass exists,
/// when the class has our name. One that names no class is ours when a default IngressClass is ours.
pub(super) fn is_ours(index: &Index, options: &TranslateOptions, ingress: &Ingress) -> bool {
    let ours = |class: &IngressClass| options.controllers.iter().any(|ours| **ours == *class.controller);
    let Some(named) = &ingress.class else {
        return index.classes.values().any(|class| class.is_default && ours(class));
    };
    match index.classes.get(&Name::new("", named)) {
        Some(class) => ours(class),
        None => **named == *options.ingress_class,
    }
}
