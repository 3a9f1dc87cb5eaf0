use super::*;

#[test]
fn the_model_imports_neither_kube_nor_tonic_nor_serde_json() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model");
    let mut files = vec![folder.with_extension("rs")];
    files.extend(std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut seen = 0;
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let code = std::fs::read_to_string(file).unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            for banned in [
                "kube",
                "k8s_openapi",
                "tonic",
                "prost",
                "serde_json",
                "tokio",
                "reqwest",
            ] {
                let word = line
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == banned);
                assert!(!word, "{} imports {banned}: {line}", file.display());
            }
        }
        seen += 1;
    }
    assert!(seen >= 10, "the model's files were not found");
}

#[test]
fn cluster_names_are_dns_labels() {
    for good in ["a", "room-c", "0", &"x".repeat(63)] {
        assert_eq!(ClusterId::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "A", "-a", "a-", "a.b", "a_b", &"x".repeat(64), "ä"] {
        assert_eq!(ClusterId::new(bad), Err(ModelError::ClusterId(bad.to_owned())));
    }
}

#[test]
fn hosts_are_dns_names_in_lower_case() {
    assert_eq!(HostName::new("WWW.Example.com").unwrap().as_str(), "www.example.com");
    assert!(HostName::new("*.example.com").unwrap().is_wildcard());
    for bad in [
        "",
        "*",
        "a..b",
        "*.*.b",
        "a b",
        "-a.b",
        ".",
        "a.",
        "ü.de",
        "*.",
        &"a.".repeat(127),
    ] {
        assert_eq!(HostName::new(bad), Err(ModelError::HostName(bad.to_owned())), "{bad}");
    }
}

#[test]
fn ports_have_no_zero() {
    assert_eq!(Port::new(65535).unwrap().get(), 65535);
    for bad in [0, -1, 65536] {
        assert_eq!(Port::new(bad), Err(ModelError::Port(i64::from(bad))));
    }
}

#[test]
fn kinds_keep_their_numbers() {
    for kind in ResourceKind::ALL {
        assert_eq!(ResourceKind::from_number(kind.number()), kind);
    }
    assert_eq!(ResourceKind::from_number(99), ResourceKind::Other(99));
}

#[test]
fn secrets_stay_secret_in_debug_and_yaml() {
    let secret = SecretText::new("hunter2-hunter2".to_owned());
    let certificate = Certificate {
        hosts: vec![HostName::new("a.b").unwrap()],
        chain: "pem".to_owned(),
        private_key: secret.clone(),
        created: None,
        client: None,
    };
    let yaml = serde_saphyr::to_string(&certificate).unwrap();
    for text in [format!("{certificate:?}"), format!("{secret}"), yaml.clone()] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("redacted:"), "{text}");
    }
    let back: Certificate = serde_saphyr::from_str(&yaml).unwrap();
    assert!(back.private_key.is_redacted());
    assert_eq!(back.private_key.fingerprint(), secret.fingerprint());
}
