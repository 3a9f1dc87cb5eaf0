//! ApisixPluginConfig → a set of plugins that routes refer to.

use hubline::model::{GroupKind, Key, Plugin, PluginSet, Resource, ResourceKind};

use super::draft::Made;
use super::{Draft, plugins};
use crate::index::{Demand, Index};
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::{TranslateOptions, class, plugin};

/// The key of what an ApisixPluginConfig becomes.
pub(in crate::translate) fn key(name: &Name) -> Key {
    let source: GroupKind = Kind::ApisixPluginConfig.group_kind();
    Key::new(ResourceKind::PluginSet, &source, &name.namespace, &name.name, "")
}

/// One that is wrong, or named and not there, closes the routes that name it: without its plugins they could be open.
pub(in crate::translate) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::ApisixPluginConfig, name);
    let listed = [Kind::ApisixPluginConfig, Kind::IngressClass];
    if !listed.iter().all(|kind| index.listings.is_listed(*kind)) {
        return draft.done();
    }
    let config = index.custom.apisix_plugin_configs.get(name);
    let ours = config.filter(|config| class::is_custom_ours(index, options, config.spec.ingress_class_name.as_deref()));
    let plugins = match ours {
        Some(config) => match plugins::read(&mut draft, "spec.plugins", &config.spec.plugins) {
            Made::Good(configs) => plugins::model(&configs),
            Made::Refused => vec![plugin::closing()],
            Made::Unknown => {
                draft.rendered.held = true;
                return draft.done();
            }
        },
        None => match missing(&mut draft, config.is_some()) {
            Some(plugins) => plugins,
            None => return draft.done(),
        },
    };
    let set = PluginSet { plugins };
    draft.rendered.entries.insert(key(name), Resource::PluginSet(set));
    draft.done()
}

/// What stands for one that is not there, if anything names it.
fn missing(draft: &mut Draft<'_>, of_another_class: bool) -> Option<Vec<Plugin>> {
    let (index, name) = (draft.index, draft.name);
    let users = index.plugin_config_users.of(name)?;
    if !of_another_class && index.unread.affects(Kind::ApisixPluginConfig) {
        draft.rendered.held = true;
        return None;
    }
    let why = match of_another_class {
        true => "is of another ingress class",
        false => "does not exist",
    };
    for (user, field) in users {
        let message = format!("ApisixPluginConfig {name} {why}; until this is put right what names it answers 503");
        let fault = Fault::error("PluginConfigNotFound", message);
        draft.rendered.report(user.kind, &user.name, field.clone(), fault);
    }
    Some(vec![plugin::closing()])
}
