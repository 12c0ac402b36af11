//! `POST /account/register` and `POST /account/password`: what IMPS has no primitive for (CSP 4.1, "Registration"), as JSON
//! over HTTP, for web clients and for programs. `docs/accounts.md` describes it.

use std::net::IpAddr;

use hyper::StatusCode;
use imps_service::access::{PersonChange, Registrant};
use imps_service::{Error, Services};
use imps_types::Secret;
use serde_json::{Map, Value, json};

/// What paths of accounts begin with.
pub(crate) const PATH: &str = "/account/";

/// Bytes of the largest request.
const BODY_MAX: usize = 16 * 1024;

/// An answer: HTTP status, what it says, and after how many seconds to try again.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    pub(crate) retry_after: Option<u32>,
}

impl Answered {
    fn of(status: StatusCode, says: &Value) -> Self {
        Self { status, body: says.to_string(), retry_after: None }
    }

    fn refused(status: StatusCode, why: &str) -> Self {
        Self::of(status, &json!({ "error": why }))
    }
}

impl From<Error> for Answered {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::WrongPassword => StatusCode::UNAUTHORIZED,
            Error::RegistrationClosed | Error::BadInviteCode | Error::Barred => StatusCode::FORBIDDEN,
            Error::UserExists => StatusCode::CONFLICT,
            Error::TooManyFailures(_) | Error::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Error::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let why = match &error {
            Error::Store(_) => "the server cannot take this now, try again later".to_owned(),
            other => other.to_string(),
        };
        Self { retry_after: error.try_again(), ..Self::refused(status, &why) }
    }
}

/// Carries out what is asked at this path.
pub(crate) async fn answer(services: &Services, path: &str, body: &[u8], peer: IpAddr) -> Answered {
    let is_known = matches!(path, "/account/register" | "/account/password");
    if !is_known {
        return Answered::refused(StatusCode::NOT_FOUND, "there are /account/register and /account/password");
    }
    if body.len() > BODY_MAX {
        return Answered::refused(StatusCode::PAYLOAD_TOO_LARGE, "this is too much");
    }
    let Ok(Value::Object(asked)) = serde_json::from_slice::<Value>(body) else {
        return Answered::refused(StatusCode::BAD_REQUEST, "this is no JSON object");
    };
    let outcome = match path {
        "/account/register" => register(services, &asked, peer).await,
        _ => password(services, &asked, peer).await,
    };
    outcome.unwrap_or_else(Answered::from)
}

/// A text; absent, or of another kind: none.
fn text(asked: &Map<String, Value>, name: &str) -> Option<String> {
    asked.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn needed(asked: &Map<String, Value>, name: &str) -> Result<String, Error> {
    text(asked, name).ok_or(Error::BadParameter(match name {
        "user" => "user is missing",
        _ => "password is missing",
    }))
}

async fn register(services: &Services, asked: &Map<String, Value>, peer: IpAddr) -> Result<Answered, Error> {
    let person = PersonChange {
        first_name: text(asked, "first_name"),
        last_name: text(asked, "last_name"),
        email: text(asked, "email"),
        ..PersonChange::default()
    };
    let registrant = Registrant {
        user: needed(asked, "user")?,
        password: Secret::new(needed(asked, "password")?),
        code: text(asked, "code"),
        person,
        from: Some(peer),
    };
    let made = services.access().register(registrant).await?;
    let says = json!({ "user": made.user.as_str(), "phone_password": made.phone_password });
    Ok(Answered::of(StatusCode::CREATED, &says))
}

async fn password(services: &Services, asked: &Map<String, Value>, peer: IpAddr) -> Result<Answered, Error> {
    let (user, present) = (needed(asked, "user")?, Secret::new(needed(asked, "password")?.into_boxed_str()));
    let next = text(asked, "new_password").map(Secret::new);
    let new_phone = asked.get("new_phone_password").and_then(Value::as_bool).unwrap_or(false);
    if next.is_none() && !new_phone {
        return Err(Error::BadParameter("new_password or new_phone_password is missing"));
    }
    let made = services.access().change_password(&user, &present, next, new_phone, Some(peer)).await?;
    let says = made.map_or_else(|| json!({}), |made| json!({ "phone_password": made }));
    Ok(Answered::of(StatusCode::OK, &says))
}
