use super::*;
use crate::model::{Certificate, ClusterId, Entry, GroupKind, HostName, Key, ResourceKind};

fn snapshot() -> Snapshot {
    let certificate = Certificate {
        hosts: vec![HostName::new("a.example.com").unwrap()],
        chain: "chain\nof lines\n".to_owned(),
        private_key: SecretText::new("-----BEGIN\nhunter2\n-----END\n".to_owned()),
        created: None,
        client: None,
    };
    let key = Key::new(
        ResourceKind::Certificate,
        &GroupKind::new("", "Secret"),
        "shop",
        "tls",
        "",
    );
    Snapshot {
        cluster: ClusterId::new("east").unwrap(),
        groups: Vec::new(),
        resources: vec![Entry {
            key,
            resource: certificate.into(),
        }],
    }
}

#[test]
fn secrets_stay_secret_unless_asked_for() {
    let redacted = to_yaml(&snapshot(), Secrets::Redacted).unwrap();
    assert!(!redacted.contains("hunter2"), "{redacted}");
    let back = from_yaml(&redacted).unwrap();
    assert!(secrets(&back.resources[0].resource)[0].is_redacted());
}

#[test]
fn shown_secrets_are_put_back() {
    let yaml = to_yaml(&snapshot(), Secrets::Shown).unwrap();
    assert_eq!(from_yaml(&yaml).unwrap(), snapshot());
}

#[test]
fn errors_quote_nothing_of_the_file() {
    let broken = to_yaml(&snapshot(), Secrets::Shown)
        .unwrap()
        .replace("hosts:", "guests:");
    let error = from_yaml(&broken).unwrap_err().to_string();
    assert!(error.contains("guests") && !error.contains("hunter2"), "{error}");
}

#[test]
fn one_file_may_hold_several_snapshots_each_with_its_secrets() {
    let (shown, redacted) = (
        to_yaml(&snapshot(), Secrets::Shown).unwrap(),
        to_yaml(&snapshot(), Secrets::Redacted).unwrap(),
    );
    let all = all_from_yaml(&format!("{shown}---\n{redacted}")).unwrap();
    assert_eq!(all, [from_yaml(&shown).unwrap(), from_yaml(&redacted).unwrap()]);
}
