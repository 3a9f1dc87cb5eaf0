use hubline::model::EndpointState;
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1 as discovery;

use super::slim;
use super::*;

#[test]
fn kinds_are_found_by_their_api_version() {
    for kind in Kind::ALL.iter().copied() {
        assert_eq!(Kind::of(kind.api_version(), kind.name()), Some(kind));
    }
    assert_eq!(Kind::of("extensions/v1beta1", "Ingress"), None);
    assert_eq!(Kind::Ingress.group_kind().to_string(), "Ingress.networking.k8s.io");
    assert_eq!(Kind::Secret.field_selector(), Some("type=kubernetes.io/tls"));
    assert!(Kind::Service.is_namespaced() && !Kind::Node.is_namespaced());
}

#[test]
fn names_get_the_default_namespace_where_one_is_needed() {
    let named = |kind| Name::new("", "web").or_default_namespace(kind).to_string();
    assert_eq!(named(Kind::Service), "default/web");
    assert_eq!(named(Kind::Node), "web");
    assert_eq!(
        Name::new("shop", "n1").or_default_namespace(Kind::Node).to_string(),
        "n1"
    );
}

#[test]
fn conditions_of_endpoints_become_one_state() {
    let table = [
        (None, None, None, EndpointState::Ready),
        (Some(true), Some(true), Some(false), EndpointState::Ready),
        (Some(true), None, Some(true), EndpointState::Ready),
        (Some(false), Some(true), Some(true), EndpointState::Draining),
        (Some(false), None, Some(true), EndpointState::NotReady),
        (Some(false), Some(true), Some(false), EndpointState::NotReady),
        (Some(false), Some(false), Some(true), EndpointState::NotReady),
    ];
    for (ready, serving, terminating, expected) in table {
        let conditions = discovery::EndpointConditions {
            ready,
            serving,
            terminating,
        };
        let endpoint = discovery::Endpoint {
            conditions: Some(conditions.clone()),
            ..Default::default()
        };
        let slice = slim::service::endpoint_slice(discovery::EndpointSlice {
            endpoints: Some(vec![endpoint]),
            ..Default::default()
        });
        assert_eq!(slice.endpoints[0].state, expected, "{conditions:?}");
    }
}

#[test]
fn secrets_keep_nothing_but_a_certificate() {
    let text = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect()
    };
    let secret = slim::secret::secret(v1::Secret {
        string_data: Some(text(&[("password", "hunter2"), ("cert", "chain"), ("tls.key", "key")])),
        ..Default::default()
    });
    assert_eq!(secret.chain.as_deref(), Some("chain"));
    assert_eq!(&*secret.secret_type, "Opaque");
    assert!(!format!("{secret:?}").contains("hunter2"));
}

/// `kubectl apply` keeps the whole object in an annotation.
#[test]
fn ingresses_keep_no_annotations_but_those_that_are_read() {
    let annotations = [
        ("k8s.apisix.apache.org/use-regex", "true"),
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ("k8s.apisix.apache.org.example.com/use-regex", "true"),
    ];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut full = k8s_openapi::api::networking::v1::Ingress::default();
    full.metadata.annotations = Some(annotations.into());
    let ingress = slim::ingress::ingress(full);
    let kept: Vec<_> = ingress.annotations.iter().collect();
    assert_eq!(kept, [("use-regex", "true")]);
}
