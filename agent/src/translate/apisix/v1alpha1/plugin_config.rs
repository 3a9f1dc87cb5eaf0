//! PluginConfig → a set of plugins. HTTPRoutes, which name it, are not read yet.

use hubline::model::{Key, PluginSet, Resource, ResourceKind};

use super::super::draft::Made;
use super::super::{Draft, plugins};
use crate::index::{Demand, Index};
use crate::source::crd::{NamedPlugin, SwitchedPlugin};
use crate::source::{Kind, Name};
use crate::translate::plugin;
use crate::translate::rendered::Rendered;

/// One that is wrong closes the routes that name it: without its plugins they could be open.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::PluginConfig, name);
    let listed = index.listings.is_listed(Kind::PluginConfig);
    let Some(config) = index.custom.plugin_configs.get(name).filter(|_| listed) else {
        return draft.done();
    };
    let plugins = match plugins::read(&mut draft, "spec.plugins", &named(&config.spec.plugins)) {
        Made::Good(configs) => plugins::model(&configs),
        Made::Refused => vec![plugin::closing()],
        Made::Unknown => {
            draft.rendered.held = true;
            return draft.done();
        }
    };
    let source = Kind::PluginConfig.group_kind();
    let key = Key::new(ResourceKind::PluginSet, &source, &name.namespace, &name.name, "");
    let set = PluginSet { plugins };
    draft.rendered.entries.insert(key, Resource::PluginSet(set));
    draft.done()
}

/// As plugins that cannot be switched off.
pub(super) fn named(plugins: &[NamedPlugin]) -> Vec<SwitchedPlugin> {
    let switched = |NamedPlugin { name, config }: &NamedPlugin| SwitchedPlugin {
        name: name.clone(),
        enable: None,
        config: config.clone(),
        secret_ref: None,
    };
    plugins.iter().map(switched).collect()
}
