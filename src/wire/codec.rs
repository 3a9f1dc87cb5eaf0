//! Conversion between the messages of the stream and protobuf.

mod checks;
pub(crate) mod decode;
pub(crate) mod encode;
mod from_wire;
mod outside;
pub(crate) mod to_wire;

pub use from_wire::{agent_message, hub_message};
pub use to_wire::{to_agent_wire, to_hub_wire};
