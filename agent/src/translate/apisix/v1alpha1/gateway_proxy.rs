//! GatewayProxy → plugins on everybody's traffic. Where APISIX is and which addresses statuses get is the hub's affair.

use std::collections::BTreeMap;

use hubline::model::Plugin;

use super::super::draft::Made;
use super::super::{Draft, global_rule, plugins};
use crate::index::{Demand, Index};
use crate::source::crd::v1alpha1::{GatewayProxySpec, SwitchedOffPlugin};
use crate::source::crd::{SecretValue, SwitchedPlugin};
use crate::source::{Kind, Name};
use crate::translate::rendered::Rendered;

/// Translates one GatewayProxy; nothing comes out when it is gone.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::GatewayProxy, name);
    let listed = index.listings.is_listed(Kind::GatewayProxy);
    let Some(proxy) = index.custom.gateway_proxies.get(name).filter(|_| listed) else {
        return draft.done();
    };
    of_the_hub(&mut draft, &proxy.spec);
    let metadata = metadata(&mut draft, &proxy.spec.plugin_metadata);
    let switched = switched(&proxy.spec.plugins);
    let plugins = match plugins::read(&mut draft, "spec.plugins", &switched) {
        Made::Good(configs) => plugins::model(&configs),
        Made::Refused => {
            let on = switched.iter().filter(|plugin| plugin.is_enabled());
            global_rule::refused(on.map(|plugin| plugin.name.as_str()))
        }
        Made::Unknown => {
            draft.rendered.held = true;
            return draft.done();
        }
    };
    global_rule::publish(&mut draft, plugins, metadata, proxy.created);
    draft.done()
}

/// Fields about which the hub's operator decides.
fn of_the_hub(draft: &mut Draft<'_>, spec: &GatewayProxySpec) {
    let message = "does nothing: the hub alone writes to APISIX, see target in its configuration";
    draft.warn("spec.provider", message);
    let message = "does nothing: the addresses in statuses are the hub's, see its configuration";
    if spec.publish_service.as_deref().is_some_and(|text| !text.is_empty()) {
        draft.warn("spec.publishService", message);
    }
    if !spec.status_address.is_empty() {
        draft.warn("spec.statusAddress", message);
    }
}

/// Plugins that are off unless switched on.
fn switched(plugins: &[SwitchedOffPlugin]) -> Vec<SwitchedPlugin> {
    let switched = |plugin: &SwitchedOffPlugin| SwitchedPlugin {
        name: plugin.name.clone(),
        enable: Some(plugin.enabled.unwrap_or(false)),
        config: plugin.config.clone(),
        secret_ref: None,
    };
    plugins.iter().map(switched).collect()
}

/// What plugins are told wherever they run.
fn metadata(draft: &mut Draft<'_>, metadata: &BTreeMap<String, SecretValue>) -> Vec<Plugin> {
    for name in metadata.keys() {
        draft.wrong(
            format!("spec.pluginMetadata.{name}"),
            "metadata of plugins is not supported",
        );
    }
    Vec::new()
}
