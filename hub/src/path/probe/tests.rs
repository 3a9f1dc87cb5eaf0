//! Probers over real sockets on 127.0.0.1. Nothing here is judged by the clock: every test waits for what must come.

mod gateways;
mod judging;
mod lines;
mod support;
mod target_kinds;
