//! Sessions against a scripted hub, in process and with paused time.

mod hub;
mod protocol;
mod recovery;
mod succession;
