//! Cases 02 and 06: certificates, of Ingress and ApisixTls, and who must show one.

use std::collections::BTreeMap;

use hubline_sandbox::apisix::StandIn;
use reqwest::tls::TlsInfo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::super::served::Served;
use super::{Case, case, list, service, sorted};

/// The one certificate of ours, and that of each line.
fn certificates(case: &Case) -> (Value, BTreeMap<&'static str, Value>) {
    let ours: Vec<_> = case
        .bodies()
        .into_iter()
        .filter(|body| body.get("cert").is_some())
        .collect();
    let [ours] = ours.as_slice() else {
        panic!("{} certificates", ours.len());
    };
    let theirs = case.theirs.iter().map(|(line, state)| {
        let [certificate] = list(state, "ssls") else {
            panic!("{line} has another number of certificates");
        };
        (*line, certificate.clone())
    });
    (ours.clone(), theirs.collect())
}

/// What a client of that name is shown, and what is answered; nothing where no connection comes about.
async fn shown(stand_in: &StandIn, host: &str) -> Option<(Vec<u8>, String)> {
    let address = stand_in.gateway_tls_addr();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_info(true)
        .tls_danger_accept_invalid_certs(true)
        .resolve(host, address)
        .build()
        .unwrap();
    let response = client
        .get(format!("https://{host}:{}/open", address.port()))
        .send()
        .await
        .ok()?;
    let shown = response.extensions().get::<TlsInfo>().unwrap().peer_certificate();
    let shown = shown.unwrap().to_vec();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Some((shown, if status == 200 { text } else { status.to_string() }))
}

fn encoded(certificate: &Value) -> Vec<u8> {
    let text = certificate["cert"].as_str().unwrap();
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn an_ingress_shows_the_certificate_of_the_peers() {
    let Some(case) = case("case02-ingress-tls") else { return };
    let (ours, theirs) = certificates(&case);
    for (line, their) in &theirs {
        assert_eq!(sorted(&ours["snis"]), sorted(&their["snis"]), "{line}");
        assert_eq!(encoded(&ours), encoded(their), "{line}");
        assert_eq!((ours.get("client"), their.get("client")), (None, None), "{line}");
    }
    let served = Served::planned(&case.ours).await;
    // The second name has a certificate, and no rule.
    for (host, wanted) in [("case02.example.com", "web /open"), ("www.case02.example.com", "404")] {
        let (certificate, answer) = shown(&served.stand_in, host).await.unwrap();
        assert_eq!(certificate, encoded(&theirs["2.x"]), "{host}");
        assert_eq!(service(&answer), wanted, "{host}");
    }
    assert_eq!(shown(&served.stand_in, "other.example.com").await, None);
    served.end().await;
}

#[tokio::test]
async fn an_apisix_tls_asks_for_the_certificates_that_the_peers_ask_for() {
    let Some(case) = case("case06-apisixtls") else { return };
    let (ours, theirs) = certificates(&case);
    for (line, their) in &theirs {
        assert_eq!(sorted(&ours["snis"]), sorted(&their["snis"]), "{line}");
        assert_eq!(encoded(&ours), encoded(their), "{line}");
        assert_eq!(ours["client"], their["client"], "{line}");
    }
    assert_eq!(ours["client"]["depth"], json!(2));
    let served = Served::planned(&case.ours).await;
    for host in ["case06.example.com", "any.case06.example.com"] {
        // The stand-in asks nobody for a certificate; which one it shows proves that the key is the Secret's.
        let (certificate, answer) = shown(&served.stand_in, host).await.unwrap();
        assert_eq!((certificate, &*answer), (encoded(&theirs["1.8"]), "404"), "{host}");
    }
    served.end().await;
}
