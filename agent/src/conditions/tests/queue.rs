use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::conditions::queue::Queue;

fn web(name: &str) -> ObjectId {
    id(Kind::Ingress, name)
}

#[tokio::test(start_paused = true)]
async fn an_object_stands_in_it_once_and_the_first_comes_first() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for name in ["b", "a", "b", "b"] {
        queue.touch(web(name));
    }
    assert_eq!((queue.len(), queue.next(now)), (2, Some(now)));
    assert_eq!(queue.pop(now), Some(web("b")));
    queue.touch(web("b"));
    assert_eq!(
        (queue.pop(now), queue.pop(now), queue.pop(now)),
        (Some(web("a")), Some(web("b")), None)
    );
    assert_eq!((queue.len(), queue.next(now)), (0, None));
}

#[tokio::test(start_paused = true)]
async fn failures_wait_longer_each_time_whatever_happens_to_the_object() {
    let (mut queue, mut now) = (Queue::default(), Instant::now());
    let mut pauses = Vec::new();
    queue.touch(web("a"));
    for _ in 0..12 {
        let id = queue.pop(now).unwrap();
        queue.touch(web("a"));
        queue.failed(id, now);
        queue.touch(web("a"));
        assert_eq!((queue.len(), queue.pop(now)), (1, None));
        let due = queue.next(now).unwrap();
        pauses.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert_eq!(queue.pop(now), Some(web("a")));
    queue.succeeded(&web("a"));
    queue.failed(web("a"), now);
    assert_eq!(queue.next(now), Some(now + Duration::from_secs(1)), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn what_is_looked_at_again_later_is_looked_at_at_once_when_it_changes() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let later = now + Duration::from_secs(3);
    queue.look_again(web("a"), later);
    queue.look_again(web("a"), later + Duration::from_secs(9));
    assert_eq!((queue.pop(now), queue.next(now)), (None, Some(later)));
    queue.touch(web("a"));
    assert_eq!((queue.pop(now), queue.next(now)), (Some(web("a")), None));
    queue.look_again(web("a"), later);
    assert_eq!((queue.pop(later), queue.pop(later)), (Some(web("a")), None));
    // What is ready already is not put off.
    queue.touch(web("a"));
    queue.look_again(web("a"), later);
    assert_eq!(queue.pop(now), Some(web("a")));
}
