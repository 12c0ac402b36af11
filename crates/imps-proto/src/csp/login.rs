//! *Login-Request* and *Login-Response*: a client opens a session, in one step or two. CSP 4.1.

use crate::elements::DigestSchemas;
use crate::grammar::primitive;
use imps_types::element::{CapabilityList, DigestSchema, ResultInfo, SystemMessageResponse};
use imps_types::service_tree::FunctionSet;
use imps_types::{Address, ClientId, Secret};

primitive! {
    /// A client wants to log in. With a `SessionID` (1.3) it wants its former session back.
    LoginRequest {
        /// The user; 1.3 may leave it to the network.
        optional user_id: Address = UserId,
        /// The client.
        optional client_id: ClientId = ClientId,
        /// The application, 1.3.
        optional application_id: Box<str> = ApplicationId since V1_3,
        /// The password in clear: 2-way login.
        optional password: Secret<Box<str>> = Password,
        /// The digest in BASE64: second step of a 4-way login.
        optional digest_bytes: Box<str> = DigestBytes,
        /// What the client can digest: first step of a 4-way login.
        via digest_schemas: Vec<DigestSchema> = DigestSchemas,
        /// The session to be re-established, 1.3.
        optional session_id: Box<str> = SessionId since V1_3,
        /// The wished session timer, seconds.
        optional time_to_live: u32 = TimeToLive,
        /// By what the client knows which session a CIR is for.
        optional session_cookie: Box<str> = SessionCookie,
        /// Answers to system messages, 1.3.
        list system_message_responses: SystemMessageResponse = SystemMessageResponseList since V1_3,
        /// The service negotiation inside the login, 1.3: the wished functions.
        optional functions: FunctionSet = Functions since V1_3,
        /// The capability negotiation inside the login, 1.3.
        optional capability_list: Box<CapabilityList> = CapabilityList since V1_3,
    }
}

primitive! {
    /// The session, or a challenge (401 with a nonce), or a refusal.
    LoginResponse {
        /// Tells a newly registered user who he is, 1.3.
        optional user_id: Address = UserId since V1_3,
        /// The client, as it named itself.
        optional client_id: ClientId = ClientId,
        /// Goes with `user_id`, 1.3.
        optional password: Secret<Box<str>> = Password since V1_3,
        /// How it went.
        required result: ResultInfo = Result,
        /// What is to be digested together with the password.
        optional nonce: Box<str> = Nonce,
        /// The digest that the server chose.
        optional digest_schema: DigestSchema = DigestSchema,
        /// The new session.
        optional session_id: Box<str> = SessionId,
        /// The session timer that holds, seconds.
        optional keep_alive_time: u32 = KeepAliveTime,
        /// Whether the client must negotiate its capabilities now.
        optional capability_request: bool = CapabilityRequest,
        /// The wished functions that are not available, 1.3.
        optional functions: FunctionSet = Functions since V1_3,
        /// The agreed capabilities, 1.3.
        optional agreed_capability_list: Box<CapabilityList> = AgreedCapabilityList since V1_3,
    }
}
