//! Plugins on everybody's traffic: ApisixGlobalRule here, and what it shares with [`super::v1alpha1::gateway_proxy`].
//!
//! One whose plugins are wrong is published without a configuration for them: the hub refuses it, and keeps what it has.
//! Left out it would lift, for everybody, what the rule was made to hold back.

use hubline::model::{GlobalRule, Key, Plugin, ResourceKind, UnixSeconds};
use serde_json::Value;

use super::draft::Made;
use super::{Draft, plugins};
use crate::index::{Demand, Index};
use crate::source::{Kind, Name};
use crate::translate::rendered::Rendered;
use crate::translate::{TranslateOptions, class, plugin};

/// Translates one ApisixGlobalRule; nothing comes out when it is gone or not ours.
pub(in crate::translate) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::ApisixGlobalRule, name);
    let listed = [Kind::ApisixGlobalRule, Kind::IngressClass];
    let rule = index.custom.apisix_global_rules.get(name);
    let rule = rule.filter(|_| listed.iter().all(|kind| index.listings.is_listed(*kind)));
    let ours = rule.filter(|it| class::is_custom_ours(index, options, it.spec.ingress_class_name.as_deref()));
    if let Some(rule) = ours {
        match plugins::read(&mut draft, "spec.plugins", &rule.spec.plugins) {
            Made::Good(configs) => publish(&mut draft, plugins::model(&configs), Vec::new(), rule.created),
            Made::Refused => {
                let named = rule.spec.plugins.iter().filter(|plugin| plugin.is_enabled());
                let names = named.map(|plugin| plugin.name.as_str());
                let refused = refused(names);
                publish(&mut draft, refused, Vec::new(), rule.created);
            }
            Made::Unknown => draft.rendered.held = true,
        }
    }
    draft.done()
}

/// The resource; none where nothing is asked for.
pub(super) fn publish(
    draft: &mut Draft<'_>,
    plugins: Vec<Plugin>,
    metadata: Vec<Plugin>,
    created: Option<UnixSeconds>,
) {
    if plugins.is_empty() && metadata.is_empty() {
        return;
    }
    let source = draft.kind.group_kind();
    let Name { namespace, name } = draft.name;
    let key = Key::new(ResourceKind::GlobalRule, &source, namespace, name, "");
    let rule = GlobalRule {
        plugins,
        metadata,
        created,
    };
    draft.rendered.entries.insert(key, rule.into());
}

/// Plugins that no hub takes: see the module.
pub(super) fn refused<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Plugin> {
    let names: std::collections::BTreeSet<&str> = names.collect();
    names
        .into_iter()
        .map(|name| plugin::plugin(name, &Value::Null))
        .collect()
}
