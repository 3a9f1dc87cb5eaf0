//! Sessions against a scripted hub, in process and with paused time.

mod bytes;
mod hub;
mod pressure;
mod protocol;
mod recovery;
mod resume;
mod succession;
