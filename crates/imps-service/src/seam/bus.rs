//! The bus: frames between the nodes of a cluster. It only wakes and forwards; what must survive is in the store.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// One server process of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The nodes that are alive, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeSet(Arc<[NodeId]>);

impl NodeSet {
    /// Whether a node is among them.
    pub fn contains(&self, node: NodeId) -> bool {
        self.0.binary_search(&node).is_ok()
    }

    /// Each of them, the least first.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
        nodes.sort_unstable();
        nodes.dedup();
        Self(nodes.into())
    }
}

/// Why a question got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BusError {
    /// No such node is alive, or it does not listen.
    NoSuchNode(NodeId),
    /// The time for the answer is over. The question may have been carried out or not.
    Deadline,
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchNode(node) => write!(f, "node {node} is not there"),
            Self::Deadline => f.write_str("the node did not answer in time"),
        }
    }
}

impl std::error::Error for BusError {}

/// Frames between nodes. Delivery is best effort; `ask` has a deadline.
pub trait Bus: Send + Sync {
    /// Sends a frame. It may be lost.
    fn tell(&self, to: NodeId, frame: Bytes);

    /// Sends a frame and waits for the answer, until then.
    fn ask<'a>(&'a self, to: NodeId, frame: Bytes, until: Instant) -> BoxFuture<'a, Result<Bytes, BusError>>;

    /// Who is alive, as it changes.
    fn nodes(&self) -> watch::Receiver<NodeSet>;

    /// Hands what other nodes send to `receiver` from now on.
    fn listen(&self, receiver: Arc<dyn Receiver>);
}

/// Takes the frames that a bus brings.
pub trait Receiver: Send + Sync {
    /// A node sent a frame. Must not block: the bus waits for it.
    fn told(&self, from: NodeId, frame: Bytes);

    /// A node asks and waits.
    fn asked(&self, from: NodeId, frame: Bytes) -> BoxFuture<'static, Bytes>;
}
