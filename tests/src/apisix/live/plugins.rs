//! The plugins of one object, compiled: those that the stand-in runs. All others are not looked at.

use serde_json::Value;

use super::answers::Answers;
use super::rewrite::ProxyRewrite;
use super::split::TrafficSplit;
use crate::apisix::expression::Expression;

/// What an object's `plugins` ask for.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    pub(super) split: Option<Plugin<TrafficSplit>>,
    pub(super) rewrite: Option<Plugin<ProxyRewrite>>,
    pub(super) answers: Answers,
}

/// A plugin, and when it runs.
#[derive(Debug)]
pub(super) struct Plugin<T> {
    configuration: T,
    disabled: bool,
    filter: Option<Expression>,
}

impl Plugins {
    pub(super) fn new(object: &Value) -> Self {
        let plugins = &object["plugins"];
        Self {
            split: Plugin::named(plugins, "traffic-split", TrafficSplit::new),
            rewrite: Plugin::named(plugins, "proxy-rewrite", ProxyRewrite::new),
            answers: Answers::new(plugins),
        }
    }
}

impl<T> Plugin<T> {
    pub(super) fn named(plugins: &Value, name: &str, compile: fn(&Value) -> T) -> Option<Self> {
        let configuration = plugins.get(name)?;
        let meta = &configuration["_meta"];
        let filter = meta.get("filter").map(Expression::compile);
        Some(Self {
            configuration: compile(configuration),
            disabled: meta["disable"] == true,
            filter: filter.and_then(Result::ok),
        })
    }

    /// The plugin, if it runs for a request.
    pub(super) fn running(&self, variable: &dyn Fn(&str) -> Option<String>) -> Option<&T> {
        let wanted = self.filter.as_ref().is_none_or(|filter| filter.holds(variable));
        (wanted && !self.disabled).then_some(&self.configuration)
    }
}

/// The first that has a plugin of that kind: of a route, its plugin config and its service the
/// earlier one replaces the later one's as a whole.
pub(super) fn first<'a, T>(
    layers: [Option<&'a Plugins>; 3],
    kind: fn(&'a Plugins) -> Option<&'a Plugin<T>>,
) -> Option<&'a Plugin<T>> {
    layers.into_iter().flatten().find_map(kind)
}
