//! What teams see on their own objects: addresses of Ingresses, conditions of custom resources, of policies by each object
//! that they act through, events where something is wrong and there are no conditions.
//!
//! Level-triggered: [`Ledger`] keeps what is known of each object and who is to be looked at again, [`verdict`] and
//! [`wanted`] say what its status should be (pure), and [`writer`] writes what differs from what the watch shows, by the
//! holder of the Lease alone. Nothing is kept between runs: what an object says of itself is the memory.
//! Deliberately absent: any influence on what is translated or published.

mod ancestors;
mod api;
mod ledger;
mod notice;
mod queue;
#[cfg(test)]
mod tests;
mod verdict;
mod wanted;
mod writer;

pub use ledger::{Facts, Ledger};
pub use verdict::Verdict;
pub use writer::{Options, Sources, run};
