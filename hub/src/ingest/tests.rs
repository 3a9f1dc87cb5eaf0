//! Scripted agents against the real service: over TLS sockets, and in-process where time matters.

mod encrypted;
mod in_process;
mod support;
