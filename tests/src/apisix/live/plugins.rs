//! The plugins of one object, compiled: those that the stand-in runs. All others are not looked at.

use serde_json::Value;

use super::access::{ConsumerRestriction, LimitCount};
use super::answers::Answers;
use super::consumers::{self, Authentication};
use super::rewrite::ProxyRewrite;
use super::split::TrafficSplit;
use crate::apisix::expression::Expression;

/// What an object's `plugins` ask for.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    pub(super) split: Option<Plugin<TrafficSplit>>,
    pub(super) rewrite: Option<Plugin<ProxyRewrite>>,
    pub(super) answers: Answers,
    pub(super) key_auth: Option<Plugin<Authentication>>,
    pub(super) basic_auth: Option<Plugin<Authentication>>,
    pub(super) restriction: Option<Plugin<ConsumerRestriction>>,
    pub(super) limit: Option<Plugin<LimitCount>>,
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
        let [key_auth, basic_auth] = consumers::plugins_of(plugins);
        Self {
            split: Plugin::named(plugins, "traffic-split", TrafficSplit::new),
            rewrite: Plugin::named(plugins, "proxy-rewrite", ProxyRewrite::new),
            answers: Answers::new(plugins),
            key_auth,
            basic_auth,
            restriction: Plugin::named(plugins, "consumer-restriction", ConsumerRestriction::new),
            limit: Plugin::named(plugins, "limit-count", LimitCount::new),
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

/// Objects that a request takes plugins from: the earlier one's goes before the later one's, as a whole.
#[derive(Clone, Debug)]
pub(super) struct Layers<'a>(Vec<&'a Plugins>);

impl<'a> Layers<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &&'a Plugins> {
        self.0.iter()
    }

    /// The first that has a plugin of that kind.
    pub(super) fn first<T>(&self, kind: fn(&'a Plugins) -> Option<&'a Plugin<T>>) -> Option<&'a Plugin<T>> {
        self.0.iter().find_map(|plugins| kind(plugins))
    }
}

impl<'a> FromIterator<&'a Plugins> for Layers<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Plugins>>(layers: I) -> Self {
        Self(layers.into_iter().collect())
    }
}
