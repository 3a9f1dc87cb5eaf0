//! What the hub's binary does beside running: commands as functions of their input, so that tests call them.

pub mod plan;
