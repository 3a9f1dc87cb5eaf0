//! The machine as its actor sees it: events in, effects out.

mod choices;
mod damping;
mod laws;
mod orders;
mod restart;
mod support;
mod suspicion;
