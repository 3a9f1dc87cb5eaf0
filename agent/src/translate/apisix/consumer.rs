//! Who may call, with credentials: ApisixConsumer here, and what it shares with [`super::v1alpha1::consumer`].
//!
//! One whose credential or plugins are wrong is not published: it cannot call, and no limit of its own is lifted.

mod credential;
mod methods;

use hubline::model::{Consumer, Key, ResourceKind, UnixSeconds};

use super::draft::Made;
use super::{Draft, plugins};
use crate::index::{Demand, Index};
use crate::source::object::ApisixConsumer;
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::{TranslateOptions, class};
pub(super) use credential::{from_secret, written_out};
pub(super) use methods::Method;

/// The resource; sections tell several of one object apart.
pub(super) fn publish(draft: &mut Draft<'_>, section: &str, configs: &plugins::Configs, created: Option<UnixSeconds>) {
    let source = draft.kind.group_kind();
    let Name { namespace, name } = draft.name;
    let key = Key::new(ResourceKind::Consumer, &source, namespace, name, section);
    let consumer = Consumer {
        plugins: plugins::model(configs),
        created,
    };
    draft.rendered.entries.insert(key, consumer.into());
}

/// Translates one ApisixConsumer; nothing comes out when it is gone or not ours.
pub(in crate::translate) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::ApisixConsumer, name);
    let listed = [Kind::ApisixConsumer, Kind::IngressClass];
    let consumer = index.custom.apisix_consumers.get(name);
    let consumer = consumer.filter(|_| listed.iter().all(|kind| index.listings.is_listed(*kind)));
    let ours = consumer.filter(|it| class::is_custom_ours(index, options, it.spec.ingress_class_name.as_deref()));
    if let Some(consumer) = ours {
        match configs(&mut draft, consumer) {
            Made::Good(configs) => publish(&mut draft, "", &configs, consumer.created),
            Made::Refused => {}
            Made::Unknown => draft.rendered.held = true,
        }
    }
    draft.done()
}

/// The credential, and over it the plugins, as with apisix-ingress-controller.
fn configs(draft: &mut Draft<'_>, consumer: &ApisixConsumer) -> Made<plugins::Configs> {
    let field = "spec.authParameter";
    let credential = match &consumer.spec.auth_parameter {
        Some(parameter) => credential::of_parameter(draft, field, parameter),
        None => Made::Good(None),
    };
    let plugins = plugins::read(draft, "spec.plugins", &consumer.spec.plugins);
    match (credential, plugins) {
        (Made::Good(None), Made::Good(plugins)) if plugins.is_empty() => {
            let message = format!("names no credential; one of {} is needed", Method::fields());
            draft.report(field, Fault::error("InvalidCredential", message));
            Made::Refused
        }
        (Made::Good(credential), Made::Good(plugins)) => {
            let credential = credential.map(|(method, config)| (method.plugin().to_owned(), config));
            Made::Good(credential.into_iter().chain(plugins).collect())
        }
        (Made::Refused, _) | (_, Made::Refused) => Made::Refused,
        (Made::Unknown, _) | (_, Made::Unknown) => Made::Unknown,
    }
}
