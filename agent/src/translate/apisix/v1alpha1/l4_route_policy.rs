//! L4RoutePolicy: TCPRoutes, UDPRoutes and TLSRoutes are not read yet, so that there is nothing for it to act on.

use super::super::Draft;
use crate::index::{Demand, Index};
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};

/// Says that it does nothing.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::L4RoutePolicy, name);
    let listed = index.listings.is_listed(Kind::L4RoutePolicy);
    if index.custom.l4_route_policies.get(name).is_some_and(|_| listed) {
        let message = "routes of Gateway API are not read yet, so that the policy acts on nothing";
        draft.report("spec.targetRefs", Fault::error("UnsupportedTarget", message));
    }
    draft.done()
}
