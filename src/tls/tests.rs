use std::io::Read;
use std::net::TcpListener;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::{ServerConnection, Stream};
use tempfile::TempDir;
use tonic::transport::Endpoint;

use super::*;
use crate::model::{ClusterId, SecretText};

fn authority() -> Authority {
    Authority::new("test authority").unwrap()
}

fn write(directory: &Path, authority: &Authority, issued: &Issued) -> Files {
    let files = Files::in_directory(directory);
    std::fs::write(&files.ca, authority.certificate()).unwrap();
    std::fs::write(&files.certificate, &issued.chain).unwrap();
    std::fs::write(&files.key, issued.private_key.expose()).unwrap();
    files
}

fn der(pem: &str) -> Vec<u8> {
    pair::parse_chain(pem).unwrap()[0].to_vec()
}

fn with_uris(uris: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
    let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
    params.subject_alt_names.extend(uris);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec()
}

#[test]
fn a_good_pair_gives_its_facts() {
    let issued = authority()
        .issue_hub(&["b.example.com", "*.A.example.com", "10.0.0.1"])
        .unwrap();
    let facts = check_pair(&issued.chain, &issued.private_key).unwrap();
    let names: Vec<_> = facts.dns_names.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["*.a.example.com", "b.example.com"]);
    let now = jiff::Timestamp::now().as_second();
    let days = (facts.not_after.0 - now) / 86_400;
    assert!((364..=365).contains(&days), "{days}");
}

#[test]
fn a_bad_pair_says_what_is_wrong_and_shows_no_key() {
    let authority = authority();
    let one = authority.issue_hub(&["a.example.com"]).unwrap();
    let other = authority.issue_hub(&["a.example.com"]).unwrap();
    let key = one.private_key.expose();
    let body = key.lines().nth(1).unwrap().to_owned();
    let unended = key.replace("-----END PRIVATE KEY-----", "");
    let truncated = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let second_broken = format!("{}{not_der}", one.chain);
    let table: Vec<(&str, &str, &str)> = vec![
        ("", key, "holds no block"),
        (key, key, "holds no block"),
        (
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            key,
            "is not PEM",
        ),
        (not_der, key, "certificate 1 of the chain"),
        (&second_broken, key, "certificate 2 of the chain"),
        (&one.chain, "", "no private key found"),
        (&one.chain, &one.chain, "no private key found"),
        (&one.chain, &unended, "private key is not PEM"),
        (&one.chain, &truncated, "cannot be used"),
        (&one.chain, &encrypted, "is encrypted"),
        (&one.chain, other.private_key.expose(), "does not belong"),
    ];
    for (chain, key, part) in table {
        let error = check_pair(chain, &SecretText::new(key.to_owned())).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(part), "{shown} lacks {part}");
        assert!(!shown.contains(&body), "{shown}");
    }
}

#[test]
fn keys_of_every_usual_kind_are_taken() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        let chain = certificate.self_signed(&key).unwrap().pem();
        check_pair(&chain, &SecretText::new(key.serialize_pem())).unwrap();
    }
}

#[test]
fn an_agents_certificate_names_its_cluster() {
    let cluster = ClusterId::new("room-c").unwrap();
    let issued = authority().issue_agent(&cluster).unwrap();
    assert_eq!(cluster_of_certificate(&der(&issued.chain)).unwrap(), cluster);
    let beside_another_scheme = with_uris(&["spiffe://example.com/x", "hubline://cluster/a"]);
    assert_eq!(cluster_of_certificate(&beside_another_scheme).unwrap().as_str(), "a");
}

#[test]
fn any_other_certificate_names_none_and_says_what_was_found() {
    let table: [(&[&str], &str); 6] = [
        (&[], "a.example.com"),
        (&["spiffe://example.com/x"], "spiffe://example.com/x"),
        (
            &["hubline://cluster/a", "hubline://cluster/b"],
            "hubline://cluster/a, hubline://cluster/b",
        ),
        (&["hubline://cluster/A_b"], "DNS-1123 label"),
        (&["hubline://cluster/"], "DNS-1123 label"),
        (&["hubline://hub/a"], "hubline://hub/a"),
    ];
    for (uris, part) in table {
        let error = cluster_of_certificate(&with_uris(uris)).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let shown = format!("{error} {}", source.unwrap_or_default());
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
    assert!(matches!(
        cluster_of_certificate(b"no"),
        Err(IdentityError::Certificate(_))
    ));
}

#[test]
fn a_loaded_authority_issues_like_the_one_that_was_made() {
    let made = authority();
    let loaded = Authority::load(made.certificate(), &made.private_key()).unwrap();
    assert_eq!(loaded.certificate(), made.certificate());
    let issued = loaded.issue_agent(&ClusterId::new("a").unwrap()).unwrap();
    let directory = TempDir::new().unwrap();
    server_config(&write(directory.path(), &made, &issued)).unwrap();
    assert!(matches!(made.issue_hub::<&str>(&[]), Err(AuthorityError::NoNames)));
    let error = made.issue_hub(&["no name"]).unwrap_err();
    assert!(error.to_string().contains("or an IP address"), "{error}");
}

#[test]
fn wrong_files_are_named_with_their_field() {
    let directory = TempDir::new().unwrap();
    let authority = authority();
    let hub = authority.issue_hub(&["localhost"]).unwrap();
    let other = authority.issue_hub(&["localhost"]).unwrap();
    let files = write(directory.path(), &authority, &hub);
    let missing = Files {
        ca: directory.path().join("nowhere"),
        ..files.clone()
    };
    let error = client_tls(&missing, None).unwrap_err().to_string();
    assert!(
        error.starts_with("tls.ca: cannot read") && error.contains("nowhere"),
        "{error}"
    );
    std::fs::write(&files.key, other.private_key.expose()).unwrap();
    let error = server_config(&files).unwrap_err().to_string();
    assert!(
        error.contains("tls.key") && error.contains("does not belong"),
        "{error}"
    );
    std::fs::write(&files.key, hub.private_key.expose()).unwrap();
    std::fs::write(&files.ca, "nothing").unwrap();
    let error = server_config(&files).unwrap_err().to_string();
    assert!(error.starts_with("tls.ca:") && error.contains("ca.crt"), "{error}");
}

/// Dials a hub that trusts `trusted` with an agent's files, over TCP.
/// Gives what the hub's handshake made of it: the cluster, or its error.
async fn handshake(trusted: &Authority, client: &Files, dialled: &str, name: Option<&str>) -> Result<String, String> {
    let directory = TempDir::new().unwrap();
    let hub = trusted.issue_hub(&["hub.example.com", "127.0.0.1"]).unwrap();
    let config = server_config(&write(directory.path(), trusted, &hub)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::task::spawn_blocking(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(config).unwrap();
        let mut first = [0_u8; 1];
        let read = Stream::new(&mut connection, &mut socket).read_exact(&mut first);
        read.map_err(|error| error.to_string())?;
        assert_eq!(connection.alpn_protocol(), Some(b"h2".as_slice()));
        let leaf = &connection.peer_certificates().unwrap()[0];
        cluster_of_certificate(leaf)
            .map(String::from)
            .map_err(|error| error.to_string())
    });
    let endpoint = Endpoint::from_shared(format!("https://{dialled}:{port}")).unwrap();
    let channel = endpoint.tls_config(client_tls(client, name).unwrap()).unwrap();
    let dialled = channel.connect().await;
    let seen = server.await.unwrap();
    drop(dialled);
    seen
}

#[tokio::test]
async fn agent_and_hub_know_each_other_by_their_authority() {
    let (ours, theirs) = (authority(), authority());
    let cluster = ClusterId::new("a").unwrap();
    let directory = TempDir::new().unwrap();
    let files = write(directory.path(), &ours, &ours.issue_agent(&cluster).unwrap());
    assert_eq!(handshake(&ours, &files, "127.0.0.1", None).await.unwrap(), "a");
    assert_eq!(
        handshake(&ours, &files, "127.0.0.1", Some("hub.example.com"))
            .await
            .unwrap(),
        "a"
    );
    let wrong_name = handshake(&ours, &files, "127.0.0.1", Some("other.example.com")).await;
    assert!(
        wrong_name.unwrap_err().contains("alert"),
        "the agent refuses a hub of another name"
    );
    let foreign_hub = handshake(&theirs, &files, "127.0.0.1", None).await;
    assert!(foreign_hub.is_err(), "the agent refuses a hub of another authority");
    let stranger = theirs.issue_agent(&cluster).unwrap();
    let files = write(directory.path(), &ours, &stranger);
    let refused = handshake(&ours, &files, "127.0.0.1", None).await.unwrap_err();
    assert!(
        refused.contains("invalid peer certificate"),
        "the hub refuses a stranger: {refused}"
    );
}

#[test]
fn installing_the_provider_twice_is_harmless() {
    install_provider();
    install_provider();
    assert!(CryptoProvider::get_default().is_some());
}
