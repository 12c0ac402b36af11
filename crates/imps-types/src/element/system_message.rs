//! System messages (CSP 4.9, 1.3): the service says something, and may want to know what the user says to it.

/// Something that the service says (`SystemMessage`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SystemMessage {
    /// `SystemMessageID`.
    pub id: Box<str>,
    /// `RequiresResponse`: the user must say something to it.
    pub requires_response: bool,
    /// `SystemMessageText`.
    pub text: Option<Box<str>>,
    /// `AnswerOptions`: what the user may choose from.
    pub options: Vec<AnswerOption>,
    /// `VerificationMechanism`: how the user shows that he is a person.
    pub verification: Option<Verification>,
}

/// Something to choose (`AnswerOption`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AnswerOption {
    /// `AnswerOptionID`.
    pub id: u32,
    /// `AnswerOptionText`.
    pub text: Box<str>,
}

/// Where the user finds what the `VerificationKey` of the answer must be (`VerificationMechanism`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// `InText`: in this text.
    InText(Box<str>),
    /// `URL`: behind this address.
    Url(Box<str>),
}

/// What a user says to a system message (`SystemMessageResponse`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SystemMessageResponse {
    /// `SystemMessageID`.
    pub id: Box<str>,
    /// `ChosenOptionID`.
    pub chosen_option: Option<u32>,
    /// `VerificationKey`.
    pub verification_key: Option<Box<str>>,
}
