//! WebSocket as a client speaks it: one connection, one message for each frame, and what the server sends by itself.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use imps_proto::wire::Form;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::secure::{Stream, connect};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client with at most one connection.
#[derive(Debug)]
pub struct WebSocket {
    address: SocketAddr,
    is_secure: bool,
    form: Form,
    connection: Option<WebSocketStream<Box<dyn Stream>>>,
}

/// The subprotocol of an encoding.
pub fn subprotocol(form: Form) -> &'static str {
    match form {
        Form::Xml => "csp.xml",
        Form::Wbxml => "csp.wbxml",
        Form::Json => "csp.json",
        Form::Pts(_) => "csp.pts",
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl WebSocket {
    /// For this server; nothing is connected yet.
    pub fn new(address: SocketAddr, is_secure: bool, form: Form) -> Self {
        Self { address, is_secure, form, connection: None }
    }

    /// The server is to be found elsewhere from now on.
    pub fn moves_to(&mut self, address: SocketAddr) {
        self.address = address;
        self.connection = None;
    }

    /// Goes away without a word.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    async fn connection(&mut self) -> Result<&mut WebSocketStream<Box<dyn Stream>>, String> {
        if self.connection.is_none() {
            let stream = connect(self.address, self.is_secure).await?;
            let mut request = format!("ws://{}/ws", self.address).into_client_request().map_err(text)?;
            let name = subprotocol(self.form);
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
            let (connection, answer) = client_async(request, stream).await.map_err(text)?;
            if answer.headers().get(SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::as_bytes) != Some(name.as_bytes()) {
                return Err(format!("the server did not agree to {name}"));
            }
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or_else(|| "not connected".to_owned())
    }

    /// Sends a message, connecting if need be.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let message = match self.form {
            Form::Wbxml => Message::Binary(Bytes::copy_from_slice(bytes)),
            _ => Message::Text(Utf8Bytes::try_from(bytes.to_vec()).map_err(text)?),
        };
        self.connection().await?.send(message).await.map_err(text)
    }

    /// The next message, if one comes in this time; none waits longer than a client does.
    ///
    /// # Errors
    /// When the connection ends, or the message is in the wrong kind of frame.
    pub async fn next(&mut self, within: Option<Duration>) -> Result<Option<Vec<u8>>, String> {
        let is_text = self.form != Form::Wbxml;
        let Some(connection) = &mut self.connection else { return Ok(None) };
        loop {
            let Ok(read) = timeout(within.unwrap_or(PATIENCE), connection.next()).await else { return Ok(None) };
            match read {
                Some(Ok(Message::Text(message))) if is_text => return Ok(Some(message.as_bytes().to_vec())),
                Some(Ok(Message::Binary(message))) if !is_text => return Ok(Some(message.to_vec())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    self.connection = None;
                    let why = frame.map_or_else(String::new, |frame| format!("{} {}", frame.code, frame.reason));
                    return Err(format!("the server closed the connection: {why}"));
                }
                Some(Ok(other)) => return Err(format!("a frame of the wrong kind: {other:?}")),
                Some(Err(error)) => {
                    self.connection = None;
                    return Err(text(error));
                }
                None => {
                    self.connection = None;
                    return Err("the server closed the connection".to_owned());
                }
            }
        }
    }
}
