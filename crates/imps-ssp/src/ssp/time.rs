//! Tells the machines of peers the time, and forgets those with which nothing goes on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Peer, Ssp};

/// How long a machine that has nothing to do is kept.
const KEPT: Duration = Duration::from_secs(60);

/// Tells the machine of a peer the time when it wants to know it; and forgets it when there is nothing to remember.
pub(super) async fn keep_time(ssp: Weak<Ssp>, peer: Arc<Peer>) {
    loop {
        let Some(this) = ssp.upgrade() else { return };
        if peer.is_retired.load(Ordering::Acquire) {
            return;
        }
        let now = this.clock.now();
        let (actions, next, is_idle) = {
            let mut link = peer.link.lock();
            link.tick(now);
            let next = link.next_tick(now);
            peer.armed.store(next.map_or(u64::MAX, |at| at.0), Ordering::Relaxed);
            (this.take_actions(&peer, &mut link), next, link.is_idle(now))
        };
        this.act(&peer, actions);
        drop(this);
        let pause = next.map_or(KEPT, |at| at.since(now).max(Duration::from_millis(1)));
        let woken = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = peer.rearm.notified() => true,
        };
        if !woken && is_idle && forget(&ssp, &peer) {
            return;
        }
    }
}

/// Forgets a peer with which nothing goes on. False: something does.
fn forget(ssp: &Weak<Ssp>, peer: &Arc<Peer>) -> bool {
    let Some(this) = ssp.upgrade() else { return true };
    let mut peers = this.peers.lock();
    // Nobody else holds it: the table and this task do.
    let is_there = peers.get(&peer.domain).is_some_and(|there| Arc::ptr_eq(there, peer));
    let now = this.clock.now();
    let is_unused = is_there && Arc::strong_count(peer) <= 2 && peer.asks.lock().is_empty();
    let is_idle = is_unused && peer.link.lock().is_idle(now);
    if is_idle {
        peers.remove(&peer.domain);
    }
    is_idle
}
