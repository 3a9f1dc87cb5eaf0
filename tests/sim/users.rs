//! What people declare in the clusters, at random: Ingresses whose hosts other clusters claim too, Services, endpoints,
//! certificates, good and broken.

use hubline::model::{ClusterId, EndpointState, SecretText, UnixSeconds};
use hubline_agent::source::object::{
    EndpointSlice, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls, PortReference, Secret,
    Service, ServicePort, SliceEndpoint, SlicePort,
};
use hubline_agent::source::{Kind, Name, Object, ObjectId};

use crate::certificates;
use crate::chance::Chance;
use crate::log::Log;
use crate::truth::{Change, Truth};

const NAMESPACES: [&str; 2] = ["shop", "blog"];
const SERVICES: [&str; 3] = ["a", "b", "c"];
const INGRESSES: [&str; 4] = ["w", "x", "y", "z"];
const SECRETS: [&str; 2] = ["s", "t"];
const HOSTS: [&str; 3] = ["one.test", "two.test", "three.test"];
const PATHS: [&str; 4] = ["/", "/p", "/q", "/p/q"];

/// All users of all clusters.
#[derive(Debug)]
pub(crate) struct Users {
    chance: Chance,
    truth: Truth,
    log: Log,
    /// Every address is given once.
    addresses: u32,
    /// How many of a hundred hosts are those that others may claim too.
    shared: u64,
    /// Every creation is a second later than the one before.
    created: i64,
}

impl Users {
    pub(crate) fn new(mut chance: Chance, truth: Truth, log: Log) -> Self {
        // Where nothing is contested each deletion can be judged.
        let shared = *chance.pick(&[0, 50]);
        Self {
            shared,
            chance,
            truth,
            log,
            addresses: 0,
            created: 1_700_000_000,
        }
    }

    /// What is there before anything runs.
    pub(crate) fn found(&mut self, cluster: &ClusterId) {
        if self.chance.percent(50) {
            self.class(cluster);
        }
        for namespace in NAMESPACES {
            for service in SERVICES {
                if self.chance.percent(70) {
                    self.service(cluster, &Name::new(namespace, service));
                    self.slice(cluster, &Name::new(namespace, service));
                }
            }
            for ingress in INGRESSES {
                if self.chance.percent(50) {
                    self.ingress(cluster, &Name::new(namespace, ingress));
                }
            }
            for secret in SECRETS {
                if self.chance.percent(40) {
                    self.secret(cluster, &Name::new(namespace, secret));
                }
            }
        }
    }

    /// One change more.
    pub(crate) fn change(&mut self, clusters: &[ClusterId]) {
        let cluster = self.chance.pick(clusters).clone();
        let namespace = self.chance.word(&NAMESPACES);
        let service = Name::new(namespace, self.chance.word(&SERVICES));
        let ingress = Name::new(namespace, self.chance.word(&INGRESSES));
        let secret = Name::new(namespace, self.chance.word(&SECRETS));
        match self.chance.below(100) {
            0..45 => self.slice(&cluster, &service),
            45..67 => self.ingress(&cluster, &ingress),
            67..75 => self.delete(&cluster, Kind::Ingress, &ingress),
            75..81 => self.service(&cluster, &service),
            81..85 => self.delete(&cluster, Kind::Service, &service),
            85..88 => self.delete(&cluster, Kind::EndpointSlice, &service),
            88..95 => self.secret(&cluster, &secret),
            95..97 => self.delete(&cluster, Kind::Secret, &secret),
            97 => self.delete(&cluster, Kind::IngressClass, &Name::new("", "apisix")),
            _ => self.class(&cluster),
        }
    }

    /// What is broken is mended: only what is good has one right result, whatever was good before.
    pub(crate) fn mend(&mut self, clusters: &[ClusterId]) {
        for cluster in clusters {
            for object in self.truth.objects(cluster) {
                let Object::Secret(name, mut secret) = object else {
                    continue;
                };
                let (chain, key) = certificates::pair(0);
                if secret.private_key.is_none() || secret.chain.as_deref() == Some("broken") {
                    secret.chain = Some(chain.into());
                    secret.private_key = Some(SecretText::new(key.to_owned()));
                    self.apply(cluster, Object::Secret(name, secret));
                }
            }
        }
    }

    fn apply(&mut self, cluster: &ClusterId, object: Object) {
        let id = object.id();
        let old = self.truth.get(cluster, &id);
        if old.as_ref() == Some(&object) {
            return;
        }
        let word = if old.is_some() { "changes" } else { "creates" };
        self.log.say(format_args!(
            "user {word} {cluster} {} {}{}",
            id.kind.name(),
            id.name,
            told(&object)
        ));
        self.log.count("changes");
        self.truth.write(cluster, Change::Apply(object));
    }

    fn delete(&mut self, cluster: &ClusterId, kind: Kind, name: &Name) {
        let id = ObjectId {
            kind,
            name: name.clone(),
        };
        if self.truth.get(cluster, &id).is_some() {
            self.log
                .say(format_args!("user deletes {cluster} {} {name}", kind.name()));
            self.log.count("changes");
            self.truth.write(cluster, Change::Delete(id));
        }
    }

    /// Of what is there the creation time stays; one in ten has none.
    fn created(&mut self, cluster: &ClusterId, kind: Kind, name: &Name) -> Option<UnixSeconds> {
        let id = ObjectId {
            kind,
            name: name.clone(),
        };
        match self.truth.get(cluster, &id) {
            Some(Object::Ingress(_, ingress)) => ingress.created,
            Some(Object::Secret(_, secret)) => secret.created,
            _ => {
                self.created += 1;
                let known = !self.chance.percent(10);
                known.then_some(UnixSeconds(self.created))
            }
        }
    }

    fn class(&mut self, cluster: &ClusterId) {
        let ours = self.chance.percent(85);
        let controller = if ours {
            "hubline.dev/ingress-controller"
        } else {
            "example.com/other"
        };
        let class = IngressClass {
            controller: controller.into(),
            is_default: self.chance.percent(30),
        };
        self.apply(cluster, Object::IngressClass(Name::new("", "apisix"), class));
    }

    fn ingress(&mut self, cluster: &ClusterId, name: &Name) {
        let created = self.created(cluster, Kind::Ingress, name);
        let mut ingress = Ingress {
            created,
            class: Some("apisix".into()),
            ..Ingress::default()
        };
        for _ in 0..self.chance.between(1..=2) {
            let host = self.host(cluster, name);
            let paths = (0..self.chance.between(1..=2)).map(|_| self.path()).collect();
            ingress.rules.push(IngressRule {
                host: Some(host.as_str().into()),
                paths: Some(paths),
            });
            if self.chance.percent(30) {
                let secret: &str = self.chance.word(&SECRETS);
                ingress.tls.push(IngressTls {
                    hosts: vec![host.as_str().into()],
                    secret: Some(secret.into()),
                });
            }
        }
        self.apply(cluster, Object::Ingress(name.clone(), ingress));
    }

    fn host(&mut self, cluster: &ClusterId, name: &Name) -> String {
        if self.chance.percent(self.shared) {
            (self.chance.word(&HOSTS)).to_owned()
        } else {
            format!("{}.{}.{cluster}.test", name.name, name.namespace)
        }
    }

    fn path(&mut self) -> IngressPath {
        let service: &str = self.chance.word(&SERVICES);
        let path: &str = self.chance.word(&PATHS);
        let path_type: &str = self.chance.word(&["Prefix", "Exact"]);
        IngressPath {
            path: path.into(),
            path_type: path_type.into(),
            backend: IngressBackend::Service {
                service: service.into(),
                port: PortReference::Number(80),
            },
        }
    }

    fn service(&mut self, cluster: &ClusterId, name: &Name) {
        let app_protocol = self.chance.percent(20).then(|| "https".into());
        let port = ServicePort {
            name: "http".into(),
            number: 80,
            protocol: "TCP".into(),
            node_port: None,
            app_protocol,
        };
        let service = Service {
            ports: vec![port],
            ..Service::default()
        };
        self.apply(cluster, Object::Service(name.clone(), service));
    }

    fn slice(&mut self, cluster: &ClusterId, service: &Name) {
        let port = SlicePort {
            name: "http".into(),
            number: Some(8080),
            protocol: "TCP".into(),
        };
        let count = self.chance.between(0..=3);
        let slice = EndpointSlice {
            service: Some(std::sync::Arc::clone(&service.name)),
            address_type: "IPv4".into(),
            ports: vec![port],
            endpoints: (0..count).map(|_| self.endpoint()).collect(),
        };
        self.apply(cluster, Object::EndpointSlice(service.clone(), slice));
    }

    fn endpoint(&mut self) -> SliceEndpoint {
        self.addresses += 1;
        let [_, high, middle, low] = self.addresses.to_be_bytes();
        let state = *self
            .chance
            .pick(&[EndpointState::Ready, EndpointState::Ready, EndpointState::NotReady]);
        SliceEndpoint {
            addresses: vec![format!("10.{high}.{middle}.{low}").into()],
            state,
            place: None,
        }
    }

    fn secret(&mut self, cluster: &ClusterId, name: &Name) {
        let created = self.created(cluster, Kind::Secret, name);
        let which = usize::try_from(self.chance.below(certificates::COUNT as u64)).unwrap_or_default();
        let (chain, key) = certificates::pair(which);
        let broken = self.chance.percent(15);
        // The type of a Secret cannot be changed.
        let secret_type: Box<str> = match self.truth.secret(cluster, name) {
            Some(secret) => secret.secret_type,
            None => self
                .chance
                .word(&["kubernetes.io/tls", "kubernetes.io/tls", "Opaque"])
                .into(),
        };
        let secret = Secret {
            content: std::sync::Arc::default(),
            created,
            secret_type,
            chain: Some(if broken { "broken".into() } else { chain.into() }),
            private_key: Some(SecretText::new(key.to_owned())),
        };
        self.apply(cluster, Object::Secret(name.clone(), secret));
    }
}

/// What matters of an object, for people who read the log.
fn told(object: &Object) -> String {
    match object {
        Object::EndpointSlice(_, slice) => {
            let ready = slice.endpoints.iter().filter(|it| it.state == EndpointState::Ready);
            let ready = ready.flat_map(|it| &it.addresses).map(|it| it.to_string());
            format!(": {}", ready.collect::<Vec<_>>().join(" "))
        }
        Object::Ingress(_, ingress) => {
            let path = |rule: &IngressRule| {
                let path = |it: &IngressPath| {
                    let IngressBackend::Service { service, .. } = &it.backend else {
                        return String::new();
                    };
                    format!("{} {}>{service}", it.path_type, it.path)
                };
                let paths: Vec<String> = rule.paths.iter().flatten().map(path).collect();
                format!("{} [{}]", rule.host.as_deref().unwrap_or("*"), paths.join(", "))
            };
            let tls = ingress
                .tls
                .iter()
                .map(|it| format!("tls {:?} {:?}", it.hosts, it.secret));
            let rules = ingress.rules.iter().map(path);
            let created = ingress.created.map_or(0, |created| created.0 % 100_000);
            format!(" @{created}: {}", rules.chain(tls).collect::<Vec<_>>().join("; "))
        }
        Object::Secret(_, secret) => format!(
            " {}{}",
            secret.secret_type,
            if secret.chain.as_deref() == Some("broken") {
                " BROKEN"
            } else {
                ""
            }
        ),
        _ => String::new(),
    }
}
