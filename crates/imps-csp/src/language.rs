//! The texts of Results in the language of whoever reads them (CSP 6, DefaultLanguage).

use imps_proto::csp::catalogue::Response;
use imps_service::Session;
use imps_service::language::{Language, translation};
use imps_types::element::ResultInfo;

/// The language that a client asked for, if it is one of ours.
pub(crate) fn of(session: &Session) -> Language {
    of_code(session.negotiated().language.as_deref())
}

/// Likewise, by its code.
pub(crate) fn of_code(code: Option<&str>) -> Language {
    code.and_then(Language::parse).unwrap_or(Language::English)
}

/// Puts the texts of a Result into a language. What there is no translation for stays as it is.
pub(crate) fn translate(result: &mut ResultInfo, language: Language) {
    if language == Language::English {
        return;
    }
    let text = |status, text: &Option<Box<str>>| {
        let text = text.as_deref()?;
        translation(language, status, text).map(Into::into)
    };
    if let Some(translated) = text(result.status, &result.description) {
        result.description = Some(translated);
    }
    for one in &mut result.detailed {
        if let Some(translated) = text(one.status, &one.description) {
            one.description = Some(translated);
        }
    }
}

/// The same for a response, if there is a Result in it.
pub(crate) fn translate_response(response: &mut Response, language: Language) {
    if let Some(result) = result_of(response) {
        translate(result, language);
    }
}

/// What a response says of how it went, if there is a Result in it.
pub(crate) fn result_of(response: &mut Response) -> Option<&mut ResultInfo> {
    Some(match response {
        Response::Status(response) => &mut response.result,
        Response::Disconnect(response) => &mut response.result,
        Response::Login(response) => &mut response.result,
        Response::KeepAlive(response) => &mut response.result,
        Response::GetPublicProfile(response) => &mut response.result,
        Response::ListManage(response) => &mut response.result,
        Response::GetAttributeList(response) => &mut response.result,
        Response::GetPresence(response) => &mut response.result,
        Response::SendMessage(response) => &mut response.result,
        Response::LeaveGroup(response) => &mut response.result,
        Response::ExtendConversation(response) => return response.result.as_mut(),
        _ => return None,
    })
}
