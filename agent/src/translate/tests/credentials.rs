//! Certificates and consumers of custom resources, when the Secrets that they are made with change.

use hubline::model::{Certificate, Group};

use super::fixture::*;
use super::unknown::{group_name, unknown};
use super::*;
use crate::source::{Coverage, Fetch, Object};

const TLS: &str = "
apiVersion: apisix.apache.org/v2
kind: ApisixTls
metadata: {name: mutual, namespace: shop}
spec:
  hosts: [web.example.com]
  secret: {name: pair, namespace: shop}
  client: {caSecret: {name: clients, namespace: elsewhere}}
";

const CONSUMER: &str = "
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {name: jack, namespace: shop}
spec: {authParameter: {keyAuth: {secretRef: {name: key}}}}
";

const KEY: &str = "
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: shop}
stringData: {key: a-key}
";

/// A Secret `elsewhere/clients` with certificates of authorities, or whatever else is given.
fn clients(text: &str) -> String {
    let indented = text.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: clients, namespace: elsewhere}}\nstringData:\n  ca.crt: |\n    {indented}\n"
    )
}

fn authority() -> String {
    let pair = rcgen::generate_simple_self_signed(vec!["authority.example.com".to_owned()]).unwrap();
    pair.cert.pem()
}

fn all() -> Vec<Object> {
    objects(&[TLS, &secret(), &clients(&authority()), CONSUMER, KEY].join("\n---\n"))
}

fn certificate(output: &Output) -> Option<&Certificate> {
    output.upserts.iter().find_map(|entry| match &entry.resource {
        Resource::Certificate(certificate) => Some(certificate.as_ref()),
        _ => None,
    })
}

/// Whatever becomes of the Secrets, or of the reference: nothing is published that asks nothing of clients, and nothing
/// is withdrawn, so that no wider certificate takes the hosts.
#[test]
fn a_certificate_that_asks_clients_is_never_one_that_does_not() {
    let gone = |yaml: &str| delete(yaml);
    let calamities = [
        gone(&clients("x")),
        apply(&clients("no certificate")),
        apply(&clients("x").replace("ca.crt", "other")),
        apply(&TLS.replace("caSecret: {name: clients", "caSecret: {name: none")),
        apply(&TLS.replace("caSecret: {name: clients, namespace: elsewhere}", "depth: 1")),
        gone(&secret()),
        apply(&secret_of("garbage", "garbage")),
    ];
    for calamity in calamities {
        let (mut translator, first) = started(&all());
        assert!(certificate(&first).unwrap().client.is_some());
        let shown = format!("{calamity:?}");
        translator.apply(calamity);
        let output = translator.drain();
        let withdrawn = output.removals.iter().find(|key| *key.source.kind == *"ApisixTls");
        assert_eq!(withdrawn, None, "{shown}");
        if let Some(certificate) = certificate(&output) {
            assert!(certificate.client.is_some(), "{shown}");
        }
        assert!(!output.diagnostics.unwrap().is_empty(), "{shown}");
        // So it is for an agent that starts over it.
        let anew = translator.snapshot();
        let anew = anew.resources.iter().find_map(|entry| match &entry.resource {
            Resource::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        assert!(anew.unwrap().client.is_some(), "{shown}");
    }
}

#[test]
fn a_secret_re_translates_what_is_made_with_it_and_nothing_else() {
    let (mut translator, _) = started(&all());
    let changes = [
        (clients(&authority()), "+Certificate mutual#"),
        (secret(), "+Certificate mutual#"),
        (KEY.replace("a-key", "another"), "+Consumer jack#"),
    ];
    for (secret, published) in changes {
        let before = translator.translated_units();
        translator.apply(apply(&secret));
        assert_eq!(short(&translator.drain()), [published]);
        assert_eq!(translator.translated_units() - before, 1, "{published}");
    }
}

#[test]
fn a_consumer_whose_secret_is_gone_can_call_no_more() {
    let (mut translator, _) = started(&all());
    translator.apply(delete(KEY));
    let output = translator.drain();
    assert_eq!(short(&output), ["-Consumer jack#"]);
    let diagnostics = output.diagnostics.unwrap();
    assert_eq!(diagnostics[0].reason, "SecretNotFound");
    assert_eq!(diagnostics[0].field, "spec.authParameter.keyAuth.secretRef");
}

/// Only Secrets with certificates are listed; the others are fetched.
fn fetching() -> Translator {
    let objects: Vec<Object> = all().into_iter().filter(|it| it.id().kind != Kind::Secret).collect();
    let mut translator = Translator::new(options());
    for event in listing(&objects, Some(Kind::Secret)) {
        translator.apply(event);
    }
    let (kind, coverage) = (Kind::Secret, Coverage::Selected);
    translator.apply(SourceEvent::Begin(kind));
    translator.apply(SourceEvent::End { kind, coverage });
    translator
}

fn answer(translator: &mut Translator, yaml: &str) {
    let Object::Secret(name, secret) = object(yaml) else {
        panic!("no Secret")
    };
    let outcome = Fetch::Found(secret);
    translator.apply(SourceEvent::Fetched { name, outcome });
}

#[test]
fn what_is_made_with_a_secret_that_nobody_could_read_is_unknown_and_stays() {
    let mut translator = fetching();
    let output = translator.drain();
    assert_eq!(short(&output), ["+ClusterInfo east#"]);
    let groups = output.groups.unwrap();
    let names: Vec<String> = unknown(&groups).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Certificate/ApisixTls", "Consumer/ApisixConsumer"]);
    let wanted: Vec<String> = translator.wanted_secrets().iter().map(ToString::to_string).collect();
    assert_eq!(wanted, ["elsewhere/clients", "shop/key", "shop/pair"]);
    for yaml in [secret(), clients(&authority()), KEY.to_owned()] {
        answer(&mut translator, &yaml);
    }
    let output = translator.drain();
    assert_eq!(short(&output), ["+Certificate mutual#", "+Consumer jack#"]);
    let complete: Vec<&Group> = output.groups.iter().flatten().map(|state| &state.group).collect();
    assert!(
        complete
            .iter()
            .any(|group| group_name(group) == "Consumer/ApisixConsumer")
    );
    assert_eq!(unknown(&output.groups.unwrap()), []);
    for name in [Name::new("shop", "key"), Name::new("elsewhere", "clients")] {
        let outcome = Fetch::Failed("403 forbidden".to_owned());
        translator.apply(SourceEvent::Fetched { name, outcome });
    }
    assert_eq!(
        short(&translator.drain()),
        Vec::<String>::new(),
        "all stays as it is known"
    );
}

/// Promise secrets-stay-secret, of what stands in custom resources and in Secrets that they name.
#[test]
fn credentials_are_in_no_debug_form_and_in_no_diagnostic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/translate");
    let inputs = [
        "apisix-consumer",
        "apisix-consumer-wrong",
        "consumer",
        "gateway-proxy",
        "apisix-tls-wrong",
    ];
    let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.in.yaml"))).unwrap();
    let (translator, output) = started(&objects(&inputs.map(read).join("\n---\n")));
    let known: Vec<String> = output.diagnostics.iter().flatten().map(ToString::to_string).collect();
    // "signed_headers" is a name.
    let shown = format!("{translator:?} {output:?} {}", known.join("\n")).replace("signed_", "");
    let secret = [
        "jack-secret-key",
        "c2VjcmV0",
        "the private one",
        "written-out",
        "hidden",
        "key-of-a-plugin",
        "from-secret",
        "without-a-name",
        "an-admin-key",
        "signed",
        "-----BEGIN PRIVATE",
    ];
    for text in secret {
        assert!(!shown.contains(text), "{text} is shown");
    }
}
