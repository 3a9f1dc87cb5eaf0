//! `spec.tls`: which hosts are to be served with which Secret.

use std::collections::BTreeSet;

use hubline::model::HostName;

use super::Translation;
use crate::source::object::IngressTls;
use crate::translate::rendered::Fault;

impl Translation<'_> {
    /// An entry without hosts means those of the rules; without any there, the certificate's own names.
    pub(super) fn tls(&mut self, at: usize, entry: &IngressTls) {
        let Some(secret) = &entry.secret else {
            let message = "names no Secret, and there is no certificate to fall back on; the entry does nothing";
            let fault = Fault::warning("UnsupportedValue", message);
            return self.report(format!("spec.tls[{at}].secretName"), fault);
        };
        let hosts = match entry.hosts.is_empty() {
            true => self.rule_hosts(),
            false => self.tls_hosts(at, entry),
        };
        let usage = self.demand.certificates.entry(self.name.sibling(secret)).or_default();
        if usage.field.is_empty() {
            usage.field = format!("spec.tls[{at}].secretName");
        }
        usage.own_names |= hosts.is_empty() && entry.hosts.is_empty();
        usage.hosts.extend(hosts);
    }

    fn tls_hosts(&mut self, at: usize, entry: &IngressTls) -> BTreeSet<HostName> {
        let hosts = entry.hosts.iter().enumerate();
        hosts
            .filter_map(|(number, text)| self.host(&format!("spec.tls[{at}].hosts[{number}]"), text))
            .collect()
    }

    /// Hosts that are none were reported where they stand.
    fn rule_hosts(&self) -> BTreeSet<HostName> {
        let written = self.ingress.rules.iter().filter_map(|rule| rule.host.as_deref());
        written.filter_map(|text| HostName::new(text).ok()).collect()
    }
}
