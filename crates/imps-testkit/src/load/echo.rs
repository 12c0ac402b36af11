//! The reference for everything that travels: hyper and nothing behind it, in a process of its own.

use std::convert::Infallible;
use std::io::Write as _;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::Outcome;
use super::net::Answer;
use super::repeat::Exchange;

/// Serves until it is killed: reads each request and answers with a body of `size` bytes.
pub(crate) fn serve(size: usize) -> Outcome {
    let failed = |error: std::io::Error| format!("the echo server cannot start: {error}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut output = std::io::stdout();
        writeln!(output, "{address}").and_then(|()| output.flush()).map_err(failed)?;
        let body = Bytes::from(vec![b'x'; size]);
        loop {
            let (stream, _) = listener.accept().await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            let body = body.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request: Request<Incoming>| {
                    let body = body.clone();
                    async move {
                        // The request is read to its end, as by a server that wants to know what it says.
                        let _ = request.into_body().collect().await;
                        let answer = Response::builder().header("content-type", "application/vnd.wv.csp.wbxml");
                        let answer = answer.body(Full::new(body)).unwrap_or_default();
                        Ok::<_, Infallible>(answer)
                    }
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                http.title_case_headers(true);
                // The client ends its connections as it likes.
                let _ = http.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    })
}

/// The requests of another exchange, for which the echo server's answer is right.
pub(crate) struct Echoed<'a, E> {
    pub(crate) exchange: &'a mut E,
    pub(crate) size: usize,
}

impl<E: Exchange> Exchange for Echoed<'_, E> {
    fn render(&mut self, connection: usize, number: u64, out: &mut Vec<u8>) {
        self.exchange.render(connection, number, out);
    }

    fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        if answer.status == 200 && answer.body.len() == self.size {
            Ok(())
        } else {
            Err(format!("the echo server answered HTTP {} with {} bytes", answer.status, answer.body.len()))
        }
    }
}
