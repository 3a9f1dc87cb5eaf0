use std::sync::Arc;

use hubline::model::{Endpoint, GroupKind, Key, Port};
use hubline::wire::ContentHash;

use super::*;

fn set(name: &str) -> GlobalKey {
    GlobalKey {
        cluster: ClusterId::new("a").unwrap(),
        key: Key::new(
            ResourceKind::EndpointSet,
            &GroupKind::new("", "Service"),
            "shop",
            name,
            "",
        ),
    }
}

/// Sets `s0`, `s1`, … of so many endpoints each.
fn resources(counts: &[u8]) -> OrdMap<GlobalKey, Stored> {
    let endpoint = |last: u8, state| Endpoint {
        address: format!("10.0.0.{last}").as_str().into(),
        port: Port::new(80).unwrap(),
        state,
        place: None,
    };
    let one = |(at, count): (usize, &u8)| {
        let ready = (1..=*count).map(|last| endpoint(last, EndpointState::Ready));
        let endpoints = ready.chain([endpoint(200, EndpointState::Draining)]).collect();
        let stored = Stored {
            hash: ContentHash(1),
            resource: Arc::new(Resource::EndpointSet(EndpointSet { endpoints })),
        };
        (set(&format!("s{at}")), stored)
    };
    counts.iter().enumerate().map(one).collect()
}

fn asked(name: &str, last: u8) -> Asked {
    Asked {
        set: set(name),
        address: SocketAddr::new([10, 0, 0, last].into(), 80),
    }
}

struct World {
    resources: OrdMap<GlobalKey, Stored>,
    cluster: ClusterId,
    path: Path,
    allowed: Allowed,
    round: Round,
}

impl World {
    fn new(counts: &[u8]) -> Self {
        Self {
            resources: resources(counts),
            cluster: ClusterId::new("a").unwrap(),
            path: Path::direct(),
            allowed: Allowed::default(),
            round: Round::default(),
        }
    }

    fn next(&mut self, most: usize) -> Vec<Asked> {
        let published = Published {
            resources: &self.resources,
            cluster: &self.cluster,
            paths: vec![&self.path],
            allowed: self.allowed.clone(),
        };
        self.round.next(&published, most)
    }

    /// A portion in which these fail; returns what stands lower then.
    fn portion(&mut self, most: usize, dead: &[Asked]) -> Vec<Asked> {
        let asked = self.next(most);
        let answers: Vec<_> = asked
            .into_iter()
            .map(|it| (it.clone(), Some(!dead.contains(&it))))
            .collect();
        self.round.on(&answers);
        self.lowered()
    }

    fn lowered(&self) -> Vec<Asked> {
        let each = |(set, demoted): (GlobalKey, Demoted)| {
            let Demoted::Endpoints(endpoints) = demoted else {
                panic!()
            };
            endpoints.into_iter().map(move |address| Asked {
                set: set.clone(),
                address,
            })
        };
        self.round.demoted().into_iter().flat_map(each).collect()
    }
}

#[test]
fn all_that_are_ready_take_their_turn() {
    let mut world = World::new(&[3, 0, 2]);
    assert_eq!(world.next(2), [asked("s0", 1), asked("s0", 2)]);
    assert_eq!(world.next(2), [asked("s0", 3), asked("s2", 1)]);
    assert_eq!(world.next(2), [asked("s0", 1), asked("s2", 2)], "and begin anew");
    assert_eq!(world.next(20).len(), 5, "nothing twice in a portion");
    assert!(World::new(&[]).next(20).is_empty());
}

#[test]
fn only_what_is_allowed_is_asked_where_the_path_reaches_it() {
    let mut world = World::new(&[3]);
    world.path.mapping = vec![crate::path::Mapping {
        from: "10.0.0.0/24".parse().unwrap(),
        to: "100.64.0.0/24".parse().unwrap(),
    }];
    world.allowed = Allowed::new(&["100.64.0.0/31".parse().unwrap()]);
    let addresses: Vec<_> = world.next(20).into_iter().map(|it| it.address.to_string()).collect();
    assert_eq!(addresses, ["100.64.0.1:80"]);
}

#[test]
fn three_failures_in_a_row_lower_an_endpoint_and_five_successes_raise_it() {
    let mut world = World::new(&[10]);
    let dead = asked("s0", 4);
    for _ in 0..2 {
        assert_eq!(world.portion(20, std::slice::from_ref(&dead)), []);
    }
    assert_eq!(world.portion(20, &[]), [], "not in a row");
    for _ in 0..2 {
        assert_eq!(world.portion(20, std::slice::from_ref(&dead)), []);
    }
    assert_eq!(
        world.portion(20, std::slice::from_ref(&dead)),
        std::slice::from_ref(&dead)
    );
    for _ in 0..4 {
        assert_eq!(world.portion(20, &[]), std::slice::from_ref(&dead));
    }
    assert_eq!(
        world.portion(20, std::slice::from_ref(&dead)),
        std::slice::from_ref(&dead)
    );
    for _ in 0..4 {
        assert_eq!(world.portion(20, &[]), std::slice::from_ref(&dead), "it begins anew");
    }
    assert_eq!(world.portion(20, &[]), []);
    assert!(world.round.marks.is_empty(), "nothing is kept of what is well");
}

/// Else it would take three whole turns of a large cluster.
#[test]
fn what_failed_is_asked_again_soon_and_takes_no_more_than_half() {
    let mut world = World::new(&[100]);
    let dead: Vec<Asked> = (1..=8).map(|last| asked("s0", last)).collect();
    world.portion(20, &dead);
    assert_eq!(world.next(20).iter().filter(|it| dead.contains(it)).count(), 8);
    let all: Vec<Asked> = (1..=100).map(|last| asked("s0", last)).collect();
    world.round.marks = all.iter().map(|it| (it.clone(), Mark::default())).collect();
    world.round.last = Some(asked("s0", 50));
    let next = world.next(20);
    assert_eq!(
        next.iter()
            .filter(|it| it.address.ip() > asked("s0", 50).address.ip())
            .count(),
        10
    );
}

#[test]
fn where_hardly_anything_answers_it_may_be_the_line() {
    let mut world = World::new(&[10]);
    let dead: Vec<Asked> = (1..=8).map(|last| asked("s0", last)).collect();
    for _ in 0..10 {
        assert_eq!(world.portion(20, &dead), [], "20 % answer");
    }
    for _ in 0..3 {
        world.portion(20, &dead[..7]);
    }
    assert_eq!(world.lowered(), dead[..7], "30 % do");
    for _ in 0..10 {
        world.portion(20, &(1..=10).map(|last| asked("s0", last)).collect::<Vec<_>>());
    }
    assert_eq!(world.lowered(), dead[..7], "no data is last known");
    let nobody: Vec<_> = world.next(20).into_iter().map(|it| (it, None)).collect();
    world.round.on(&nobody);
    assert_eq!(world.lowered(), dead[..7]);
}
