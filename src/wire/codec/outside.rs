//! Nodes outside a cluster, both ways.

use std::collections::BTreeMap;

use super::super::{WireError, proto as p};
use super::decode::{address, exactly, port};
use crate::model as m;

pub(super) fn encode(outside: &m::Outside) -> p::Outside {
    use p::outside::{Discovery, Instead, Nodes};
    let instead = match outside {
        m::Outside::Nodes(nodes) => Instead::Nodes(Nodes {
            nodes: nodes.iter().map(encode_node).collect(),
        }),
        m::Outside::Discovery(it) => Instead::Discovery(Discovery {
            provider: it.provider.clone(),
            service: it.service.clone(),
            arguments: it.arguments.iter().map(argument).collect(),
        }),
    };
    p::Outside { instead: Some(instead) }
}

fn encode_node(node: &m::OutsideNode) -> p::outside::Node {
    p::outside::Node {
        address: node.address.clone(),
        port: u32::from(node.port.get()),
        weight: node.weight,
    }
}

fn argument((name, value): (&String, &String)) -> p::outside::Argument {
    p::outside::Argument {
        name: name.clone(),
        value: value.clone(),
    }
}

pub(super) fn decode(outside: p::Outside) -> Result<m::Outside, WireError> {
    use p::outside::Instead;
    match outside.instead {
        Some(Instead::Nodes(it)) => Ok(m::Outside::Nodes(exactly(it.nodes, decode_node)?)),
        Some(Instead::Discovery(it)) => Ok(m::Outside::Discovery(m::Discovery {
            provider: it.provider,
            service: it.service,
            arguments: it
                .arguments
                .into_iter()
                .map(|it| (it.name, it.value))
                .collect::<BTreeMap<_, _>>(),
        })),
        None => Err(WireError::missing("service.outside.instead")),
    }
}

fn decode_node(node: p::outside::Node) -> Result<m::OutsideNode, WireError> {
    Ok(m::OutsideNode {
        address: address("service.outside.nodes.address", node.address)?,
        port: port("service.outside.nodes.port", node.port)?,
        weight: node.weight,
    })
}
