//! How it went: `Result` and `DetailedResult`.

use super::people::ScreenName;
use super::system_message::SystemMessage;
use crate::address::Address;
use crate::status::Status;

/// The outcome of a transaction (`Result`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultInfo {
    /// `Code`.
    pub status: Status,
    /// `Description`: a text for the user.
    pub description: Option<Box<str>>,
    /// `DetailedResult`: one for each code, with all items that had it.
    pub detailed: Vec<DetailedResult>,
    /// `SystemMessageList`, 1.3: what the service has to say about it.
    pub system_messages: Vec<SystemMessage>,
    /// `TryAgainTimeout`, 1.3: seconds.
    pub try_again: Option<u32>,
}

impl ResultInfo {
    /// Just a code, with the table's text where it is no plain success.
    pub fn of(status: Status) -> Self {
        let text = status.text();
        let described = status != Status::SUCCESSFUL && !text.is_empty();
        Self {
            status,
            description: described.then(|| text.into()),
            detailed: Vec::new(),
            system_messages: Vec::new(),
            try_again: None,
        }
    }

    /// A code and words of our own, which say what was wrong.
    pub fn with_text(status: Status, description: &str) -> Self {
        Self { description: Some(description.into()), ..Self::of(status) }
    }

    /// 200 when nothing failed; 201 when something succeeded; the common code, or 900, when nothing did (CSP 3).
    pub fn partial(any_success: bool, detailed: Vec<DetailedResult>) -> Self {
        let status = match (detailed.as_slice(), any_success) {
            ([], _) => Status::SUCCESSFUL,
            (_, true) => Status::PARTIALLY_SUCCESSFUL,
            ([one], false) => one.status,
            (_, false) => Status::MULTIPLE_ERRORS,
        };
        Self { detailed, ..Self::of(status) }
    }
}

/// The items of a request that had one outcome (`DetailedResult`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailedResult {
    /// `Code`.
    pub status: Status,
    /// `Description`.
    pub description: Option<Box<str>>,
    /// `SearchElement`, 1.3.
    pub search_elements: Vec<Box<str>>,
    /// `UserID`.
    pub user_ids: Vec<Address>,
    /// `GroupID`.
    pub group_ids: Vec<Address>,
    /// `ScreenName`.
    pub screen_names: Vec<ScreenName>,
    /// `MessageID`, since 1.2.
    pub message_ids: Vec<Box<str>>,
    /// `ContactList`, since 1.2.
    pub contact_lists: Vec<Address>,
    /// `Domain`, since 1.2.
    pub domains: Vec<Box<str>>,
}

impl DetailedResult {
    /// Nothing listed yet.
    pub fn of(status: Status) -> Self {
        let text = status.text();
        Self {
            status,
            description: (!text.is_empty()).then(|| text.into()),
            search_elements: Vec::new(),
            user_ids: Vec::new(),
            group_ids: Vec::new(),
            screen_names: Vec::new(),
            message_ids: Vec::new(),
            contact_lists: Vec::new(),
            domains: Vec::new(),
        }
    }
}
