//! What phones do alike while servers are killed: each repeats the request that was not answered, byte for byte, until it is,
//! and acknowledges what it gets.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use imps_proto::wire::Form;
use imps_types::Version;

use crate::load::Outcome;
use crate::load::server::PASSWORD;
use crate::phone::forms::Proof;
use crate::phone::{Band, Channel, Node, Personality, Phone, Polled, Settings, status_of};

/// Between two tries to reach a server that is being started.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Whether the connection is at fault, and not what came over it.
fn is_cut(why: &str) -> bool {
    ["closed", "closes", "refused", "reset", "ends after", "ends in its", "no HTTP answer", "Broken pipe", "aborted"]
        .iter()
        .any(|sign| why.contains(sign))
}

/// A phone of this user.
pub(super) fn settings((version, form): (Version, Form), user: String) -> Settings {
    Settings {
        version,
        form,
        personality: Personality::Plain,
        user,
        password: PASSWORD.to_owned(),
        client: None,
        content_type: None,
        channel: Channel::Http,
        is_silent: false,
        number: None,
    }
}

/// Phones at work on a thread of their own. It goes on when they say that they are ready; `who` could not begin else.
pub(super) fn spawn<T, W>(
    who: &str,
    work: impl FnOnce(Sender<()>) -> W + Send + 'static,
) -> Outcome<JoinHandle<Outcome<T>>>
where
    T: Send + 'static,
    W: Future<Output = Outcome<T>>,
{
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
        tokio::task::LocalSet::new().block_on(&runtime, work(ready))
    });
    match is_ready.recv() {
        Ok(()) => Ok(thread),
        Err(_) => match thread.join() {
            Ok(Err(why)) => Err(why),
            _ => Err(format!("{who} could not begin")),
        },
    }
}

/// All of them at once, each until it is over: those that came to their end, and of the others why not.
pub(super) async fn all_of<T: 'static>(
    lives: impl Iterator<Item = impl Future<Output = T> + 'static>,
) -> (Vec<T>, Vec<String>) {
    let tasks: Vec<_> = lives.map(tokio::task::spawn_local).collect();
    let (mut last, mut failed) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await {
            Ok(it) => last.push(it),
            Err(error) => failed.push(error.to_string()),
        }
    }
    (last, failed)
}

/// Somebody with a phone whose server may be gone at any moment.
pub(super) trait Tough {
    fn phone(&mut self) -> &mut Phone;

    /// Where the server is now.
    fn server(&self) -> SocketAddr;

    /// Something came, and perhaps its acknowledgement was answered.
    fn heard(&self, primitive: &Node, is_acknowledged: bool);

    fn fault(&self, what: &str);

    /// A request was repeated.
    fn repeats(&self);

    /// Something was answered by a code that is no success.
    fn refused(&self, code: u16) {
        let _ = code;
    }

    async fn log_in(&mut self, seconds: u32) -> Result<(), String> {
        let login = self.phone().speaker.login(Proof::Password(PASSWORD), Some(seconds), None);
        let answer = self.phone().request(login, Band::Out).await?.ok_or("no answer")?;
        if status_of(&answer) != 200 {
            return Err(format!("login: {}", status_of(&answer)));
        }
        self.phone().open_session(&answer);
        let capabilities = self.phone().speaker.capabilities(&[]);
        self.persist(capabilities).await.map(drop)
    }

    /// A request that is repeated, byte for byte, until a server answers it.
    async fn persist(&mut self, primitive: Node) -> Result<Node, String> {
        let name = primitive.name.clone();
        let mut answer = self.phone().request(primitive, Band::In).await;
        loop {
            match answer {
                Ok(Some(answer)) => match status_of(&answer) {
                    200 => return Ok(answer),
                    code => {
                        self.refused(code);
                        return Err(format!("{name}: {code}"));
                    }
                },
                Ok(None) => return Err(format!("{name}: no answer")),
                Err(why) if is_cut(&why) => {
                    self.wait_for_server().await;
                    self.repeats();
                    answer = self.phone().repeat_request().await;
                }
                Err(why) => return Err(format!("{name}: {why}")),
            }
        }
    }

    async fn wait_for_server(&mut self) {
        tokio::time::sleep(PAUSE).await;
        let server = self.server();
        self.phone().moves_to(server);
    }

    /// Polls until nothing comes, and acknowledges all of it.
    async fn fetch(&mut self) {
        loop {
            loop {
                match self.phone().take().await {
                    Ok(Some(received)) => self.heard(&received.primitive, true),
                    Ok(None) => break,
                    // It comes again, unless the server died between taking the acknowledgement and answering it.
                    Err(why) if is_cut(&why) => {
                        if let Some(received) = self.phone().current.clone() {
                            self.heard(&received.primitive, false);
                        }
                        self.wait_for_server().await;
                    }
                    Err(why) => return self.fault(&why),
                }
            }
            match self.phone().poll().await {
                Ok(Polled::Something) => {}
                Ok(Polled::Nothing) => return,
                Ok(Polled::Refused(why)) => {
                    self.refused(status_of(&why));
                    return self.fault(&format!("a poll: {}", status_of(&why)));
                }
                Err(why) if is_cut(&why) => return self.wait_for_server().await,
                Err(why) => return self.fault(&why),
            }
        }
    }
}
