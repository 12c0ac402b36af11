//! How the items of a request went, collected for the DetailedResult (CSP 3).

use imps_types::Status;
use imps_types::element::{DetailedResult, ResultInfo};

use crate::error::Error;

/// What became of the items so far.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    any: bool,
    detailed: Vec<DetailedResult>,
}

impl Outcomes {
    /// An item went well.
    pub(super) fn good(&mut self) {
        self.any = true;
    }

    /// Whether nothing is known yet.
    pub(super) fn is_empty(&self) -> bool {
        !self.any && self.detailed.is_empty()
    }

    /// Where items are listed that had this outcome.
    pub(super) fn of(&mut self, status: Status) -> &mut DetailedResult {
        let index = self.detailed.iter().position(|one| one.status == status).unwrap_or_else(|| {
            self.detailed.push(DetailedResult::of(status));
            self.detailed.len() - 1
        });
        &mut self.detailed[index]
    }

    /// Notes a failed item; a failure of the store concerns the whole request and is handed back.
    pub(super) fn failed(&mut self, error: Error, add: impl FnOnce(&mut DetailedResult)) -> Result<(), Error> {
        if let Error::Store(_) = error {
            return Err(error);
        }
        add(self.of(error.status()));
        Ok(())
    }

    /// 200, 201, or why nothing went well.
    pub(super) fn done(mut self) -> ResultInfo {
        self.detailed.sort_by_key(|one| one.status);
        ResultInfo::partial(self.any, self.detailed)
    }
}
