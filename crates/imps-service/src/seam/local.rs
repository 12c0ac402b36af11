//! The bus of a server that is alone: the only node is this one.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::bus::{Bus, BusError, NodeId, NodeSet, Receiver};

/// A bus with one node on it. Frames to that node arrive at once; there is nobody else to send to.
pub struct LocalBus {
    here: NodeId,
    nodes: watch::Sender<NodeSet>,
    receiver: RwLock<Option<Arc<dyn Receiver>>>,
}

impl LocalBus {
    /// The bus of this node.
    pub fn new(here: NodeId) -> Self {
        Self { here, nodes: watch::Sender::new(NodeSet::from_iter([here])), receiver: RwLock::new(None) }
    }

    fn receiver(&self, to: NodeId) -> Option<Arc<dyn Receiver>> {
        if to == self.here { self.receiver.read().clone() } else { None }
    }
}

impl Bus for LocalBus {
    fn tell(&self, to: NodeId, frame: Bytes) {
        if let Some(receiver) = self.receiver(to) {
            receiver.told(self.here, frame);
        }
    }

    fn ask<'a>(&'a self, to: NodeId, frame: Bytes, until: Instant) -> BoxFuture<'a, Result<Bytes, BusError>> {
        Box::pin(async move {
            let receiver = self.receiver(to).ok_or(BusError::NoSuchNode(to))?;
            let answer = receiver.asked(self.here, frame);
            tokio::time::timeout_at(until.into(), answer).await.map_err(|_| BusError::Deadline)
        })
    }

    fn nodes(&self) -> watch::Receiver<NodeSet> {
        self.nodes.subscribe()
    }

    fn listen(&self, receiver: Arc<dyn Receiver>) {
        *self.receiver.write() = Some(receiver);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a deadline is a moment of the real clock")]
mod tests {
    use std::time::Duration;

    use futures_util::future::FutureExt;
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Echo {
        told: Mutex<Vec<(NodeId, Bytes)>>,
    }

    impl Receiver for Echo {
        fn told(&self, from: NodeId, frame: Bytes) {
            self.told.lock().push((from, frame));
        }

        fn asked(&self, _from: NodeId, frame: Bytes) -> BoxFuture<'static, Bytes> {
            if frame == "never" { std::future::pending().boxed() } else { std::future::ready(frame).boxed() }
        }
    }

    #[tokio::test]
    async fn the_only_node_hears_itself_and_nobody_else() {
        let (here, there) = (NodeId(1), NodeId(2));
        let bus = LocalBus::new(here);
        let soon = || Instant::now() + Duration::from_secs(5);
        assert_eq!(bus.ask(here, Bytes::from("early"), soon()).await, Err(BusError::NoSuchNode(here)));

        let echo = Arc::new(Echo::default());
        bus.listen(echo.clone());
        bus.tell(here, Bytes::from("hello"));
        bus.tell(there, Bytes::from("lost"));
        assert_eq!(*echo.told.lock(), [(here, Bytes::from("hello"))]);

        assert_eq!(bus.ask(here, Bytes::from("what"), soon()).await, Ok(Bytes::from("what")));
        assert_eq!(bus.ask(there, Bytes::from("what"), soon()).await, Err(BusError::NoSuchNode(there)));
        assert_eq!(bus.ask(here, Bytes::from("never"), Instant::now()).await, Err(BusError::Deadline));

        let nodes = bus.nodes();
        assert!(nodes.borrow().contains(here) && !nodes.borrow().contains(there));
        assert_eq!(nodes.borrow().len(), 1);
    }
}
