//! The Transaction Table: what was passed on and has no answer yet. SSP 13.1, 13.3.

use imps_service::Timestamp;
use imps_types::{Domain, Service, TransactionId};
use rustc_hash::FxHashMap;

/// A row: a transaction that came in, and the one that it became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The peer that it came from.
    pub from: Domain,
    /// What that peer calls it.
    pub from_id: TransactionId,
    /// The peer that it went to.
    pub to: Domain,
    /// What we call it there: never the same.
    pub to_id: TransactionId,
    /// Of which service it is.
    pub service: Service,
    /// The primitive.
    pub name: &'static str,
    /// Who asks: a user, or a domain.
    pub requestor: Box<str>,
    /// When it went out.
    pub since: Timestamp,
    /// When it is answered 504.
    pub deadline: Timestamp,
}

/// Every row, by where it went. What came in stands here once, since the session that it came by knows its ID as long as it
/// is open.
#[derive(Default)]
pub(crate) struct TransactionTable {
    rows: FxHashMap<(Domain, TransactionId), Relayed>,
}

impl TransactionTable {
    /// A transaction goes out. False: there is one of this name.
    pub(crate) fn open(&mut self, row: Relayed) -> bool {
        let key = (row.to.clone(), row.to_id.clone());
        if self.rows.contains_key(&key) {
            return false;
        }
        self.rows.insert(key, row);
        true
    }

    /// It has its answer, or will have none.
    pub(crate) fn close(&mut self, to: &Domain, id: &TransactionId) -> Option<Relayed> {
        self.rows.remove(&(to.clone(), id.clone()))
    }

    /// Those that came from this peer or went to it, or all; the oldest first, so many of them.
    pub(crate) fn rows(&self, peer: Option<&Domain>, most: usize) -> Vec<Relayed> {
        let is_its = |row: &&Relayed| peer.is_none_or(|peer| row.from == *peer || row.to == *peer);
        let mut rows: Vec<_> = self.rows.values().filter(is_its).collect();
        rows.sort_by(|one, other| (one.since, &one.to_id).cmp(&(other.since, &other.to_id)));
        rows.into_iter().take(most).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(from: &str, to: &str, id: &str, since: u64) -> Relayed {
        let of = |name| Domain::parse(name).expect("a domain");
        Relayed {
            from: of(from),
            from_id: TransactionId::new("in"),
            to: of(to),
            to_id: TransactionId::new(id),
            service: Service::Im,
            name: "SendMessageRequest",
            requestor: "wv:alice@a.example".into(),
            since: Timestamp(since),
            deadline: Timestamp(since + 28_000),
        }
    }

    #[test]
    fn a_row_is_there_until_it_has_its_answer() {
        let mut table = TransactionTable::default();
        let (late, early) = (row("b.x", "h.x", "2", 20), row("c.x", "p.x", "1", 10));
        assert!(table.open(late.clone()) && table.open(early.clone()));
        assert!(!table.open(row("d.x", "h.x", "2", 30)), "there is one of this name");
        assert!(table.open(row("d.x", "i.x", "2", 30)), "at another peer it is another one");
        assert_eq!(table.rows(None, 2), [early.clone(), late.clone()]);
        let of = |name| Domain::parse(name).expect("a domain");
        assert_eq!(table.rows(Some(&of("h.x")), 9), std::slice::from_ref(&late));
        assert_eq!(table.rows(Some(&of("c.x")), 9), [early]);
        assert_eq!(table.close(&of("h.x"), &late.to_id), Some(late.clone()));
        assert_eq!(table.close(&of("h.x"), &late.to_id), None);
        assert_eq!(table.rows(None, 9).len(), 2);
    }
}
