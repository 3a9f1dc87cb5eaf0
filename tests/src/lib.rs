//! Stand-in APISIX, cuttable links, real kube-apiservers, the demo and the end-to-end tests.

pub mod apisix;
