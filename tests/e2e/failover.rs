//! What happens when a line to a cluster fails: DESIGN section 8, and promises 8 and 9.
//!
//! Times are measured and shown, never asserted; what is asserted is what was written, who answered and who failed. The
//! table goes to the file that `HUBLINE_FAILOVER_TABLE` names, and everything has the default parameters then and 200
//! requests a second. Without it the table goes to standard output at the end, and lines and requests are given more
//! time, so that a busy machine fails nothing: its figures are not those of the defaults.

mod alone;
mod burst;
mod cut;
mod figures;
mod flap;
mod harmless;
mod many;
mod mapping;
mod orders;
mod protocols;
mod refused;
mod shared;
mod world;

use libtest_mimic::Trial;

pub(crate) use figures::show;

pub(crate) fn trials() -> Vec<Trial> {
    let subjects = [
        cut::trials(),
        burst::trials(),
        many::trials(),
        alone::trials(),
        refused::trials(),
        shared::trials(),
        flap::trials(),
        harmless::trials(),
        mapping::trials(),
        orders::trials(),
        protocols::trials(),
    ];
    subjects.into_iter().flatten().collect()
}
