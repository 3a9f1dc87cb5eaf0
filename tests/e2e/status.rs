//! What teams see on their own objects, on real API servers: addresses, events, conditions; and that nothing is written
//! when nothing changed.

mod conditions;
mod ingresses;
mod look;
mod policies;
mod routes;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = ingresses::trials();
    trials.extend(conditions::trials());
    trials.extend(routes::trials());
    trials.extend(policies::trials());
    trials
}
