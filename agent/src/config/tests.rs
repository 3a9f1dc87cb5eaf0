use super::*;

const MINIMAL: &str = "cluster: a\nhubs: [{addresses: [\"hub:8443\"]}]\n";

#[test]
fn a_minimal_configuration_has_defaults_for_the_rest() {
    let config = AgentConfig::parse("agent.yaml", MINIMAL).unwrap();
    assert_eq!(config.startup_grace, Duration::from_secs(30));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.echo.listen.to_string(), "0.0.0.0:7444");
    assert_eq!(config.source, SourceConfig::default());
    assert_eq!(
        config.translate_options().unwrap(),
        TranslateOptions::new(ClusterId::new("a").unwrap())
    );
}

#[test]
fn every_key_can_be_set() {
    let text = "
cluster: a
instance: pod
source: {kube: {kubeconfig: /k, namespaces: [shop], lease: {namespace: edge}}}
hubs:
- addresses: [\"10.0.0.1:8443\", \"[fd00::1]:8443\"]
  serverName: hub.example.com
tls: {ca: /ca, certificate: /crt, key: /key}
ingressClass: {name: edge, controllers: [c]}
zone: z
addresses: [1.2.3.4]
listen: 0.0.0.0:9
echo: {listen: \"[::]:8\", advertise: [\"room-a.example.com:7444\"]}
startupGrace: 5s
logging: {level: debug, format: json}
";
    let config = AgentConfig::parse("agent.yaml", text).unwrap();
    let kube = config.source.kube.clone().unwrap();
    assert_eq!(
        (kube.lease.namespace.as_deref(), kube.lease.name.as_str()),
        (Some("edge"), "hubline-agent")
    );
    assert_eq!(config.translate_options().unwrap().namespaces, kube.namespaces);
    assert_eq!(config.hubs[0].server_name.as_deref(), Some("hub.example.com"));
    assert_eq!(config.echo.listen, EchoListen::At("[::]:8".parse().unwrap()));
    assert_eq!(config.echo.advertise, ["room-a.example.com:7444"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (text, words) in [
        ("clutser: a", ["clutser", "unknown"]),
        ("cluster: A", ["cluster", "DNS-1123"]),
        ("cluster: a", ["hubs", "at least one"]),
        (
            "cluster: a\nhubs: [{addresses: []}]",
            ["hubs[0].addresses", "HOST:PORT"],
        ),
        (
            "cluster: a\nhubs: [{addresses: [\"https://hub\"]}]",
            ["hubs[0].addresses", "HOST:PORT"],
        ),
        (
            "cluster: a\nhubs: [{addresses: [\"hub:0\"]}]",
            ["hubs[0].addresses", "HOST:PORT"],
        ),
        (
            "cluster: a\nhubs: [{addresses: [\"h:1\"]}]\nsource: {kube: {}, manifest: {directory: /m}}",
            ["source", "only one"],
        ),
        ("cluster: a\nstartupGrace: soon", ["startupGrace", "30s"]),
        ("cluster: a\necho: {listen: here}", ["echo.listen", "IP:PORT"]),
        ("cluster: a\necho: {port: 1}", ["echo.port", "unknown"]),
        (
            "cluster: a\nhubs: [{addresses: [\"h:1\"]}]\necho: {advertise: [\"10.0.0.1\"]}",
            ["echo.advertise", "HOST:PORT"],
        ),
        (
            "cluster: a\nhubs: [{addresses: [\"h:1\"]}]\necho: {listen: off, advertise: [\"h:1\"]}",
            ["echo.advertise", "off"],
        ),
    ] {
        let error = AgentConfig::parse("agent.yaml", text).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{text:?}: {error}");
    }
}

#[test]
fn the_echo_port_can_be_switched_off() {
    for text in ["off", "\"off\""] {
        let config = AgentConfig::parse("agent.yaml", &format!("{MINIMAL}echo: {{listen: {text}}}\n")).unwrap();
        assert_eq!(config.echo.listen, EchoListen::Off);
    }
    let variables = [("HUBLINE_AGENT__ECHO__LISTEN".to_owned(), "off".to_owned())].into_iter();
    let minimal = AgentConfig::parse("agent.yaml", MINIMAL).unwrap();
    let config: AgentConfig =
        hubline::config::load_from(&minimal, None, ENVIRONMENT_PREFIX, variables, Vec::new()).unwrap();
    assert_eq!(config.echo.listen, EchoListen::Off);
}

/// The files that `deploy/agent` mounts and the environment that it sets, read as the agent's start reads them.
#[test]
fn the_deployment_fits_the_agent() {
    let map: Value = serde_saphyr::from_str(include_str!("../../../deploy/agent/configmap.yaml")).unwrap();
    let file = map["data"]["agent.yaml"].as_str().unwrap();
    let config = AgentConfig::parse("agent.yaml", file).unwrap();
    let manifests = include_str!("../../../deploy/agent/deployment.yaml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    let container = &documents[0]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], config.listen.port());
    let echo = &container["ports"][1];
    assert_eq!(
        config.echo.listen.to_string(),
        format!("[::]:{}", echo["containerPort"])
    );
    assert!(
        config.listen.ip().is_unspecified(),
        "the kubelet asks at the pod's address"
    );
    assert_eq!(config.tls, AgentConfig::default().tls);
    let variables = container["env"].as_array().unwrap();
    let (of_kubernetes, variables): (Vec<_>, Vec<_>) =
        variables.iter().partition(|variable| variable["name"] == "POD_IP");
    let field = &of_kubernetes[0]["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(field, "status.podIP");
    let variables = variables
        .into_iter()
        .map(|variable| (variable["name"].as_str().unwrap().to_owned(), "pod-1".to_owned()));
    let variables: Vec<_> = variables.collect();
    assert!(variables.iter().all(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)));
    let variables = variables.into_iter();
    let config: AgentConfig =
        hubline::config::load_from(&config, None, ENVIRONMENT_PREFIX, variables, Vec::new()).unwrap();
    assert_eq!(config.instance.as_deref(), Some("pod-1"));
}
