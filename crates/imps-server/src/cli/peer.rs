//! `hamlet peer`: other domains.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Common, Done, Format, Refusal, desk, output};
use crate::command::{Command, Outcome};
use crate::federation::{Line, OpenView, PeerView, QueueView, RelayedView, ServiceView, StateView, Wish};

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Each domain names the other, with the URL where it is reached: docs/federation.md shows two of them.

Examples:
  hamlet peer add b.example --url http://192.0.2.2:8080/
  hamlet peer test b.example
  hamlet peer show b.example --json")]
pub(super) enum PeerCommand {
    /// Let this server speak with another domain, or change how
    #[command(after_help = "\
A running server takes it up at once. Whoever is there already is written anew, with what is said now.

Examples:
  hamlet peer add b.example --url http://192.0.2.2:8080/
  hamlet peer add b.example --url https://im.b.example/ --digest hmac-sha256 --services IM
  hamlet peer add b.example                          its URL is found in DNS
  hamlet peer add b.example --url http://192.0.2.2:8080/ --provides IM --served PRESENCE
  hamlet peer add h2.example --url http://192.0.2.3:8080/ --provides IM@b.example")]
    Add {
        /// The domain, as in addresses: example.org
        #[arg(value_name = "DOMAIN")]
        peer: String,
        #[command(flatten)]
        line: LineArgs,
        #[command(flatten)]
        format: Format,
    },
    /// List the domains that this server speaks with
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Show what goes on with a domain, what was agreed on with it, who provides what, and what waits for it
    Show {
        /// The domain
        #[arg(value_name = "DOMAIN")]
        peer: String,
        #[command(flatten)]
        format: Format,
    },
    /// Speak with a domain now, and say step by step what happens
    Test {
        /// The domain
        #[arg(value_name = "DOMAIN")]
        peer: String,
        #[command(flatten)]
        format: Format,
    },
    /// Speak with a domain no more; what waits for it goes back to its senders
    Remove {
        /// The domain
        #[arg(value_name = "DOMAIN")]
        peer: String,
        #[command(flatten)]
        format: Format,
    },
    /// Show or change who provides which service for the users of a domain
    #[command(after_help = "\
What peers provide, and for whom, is said by `hamlet peer add --provides` and `--served`; a line that is written here counts more.

Examples:
  hamlet peer route                               the whole table
  hamlet peer route b.example                     what it says of the users of b.example
  hamlet peer route b.example IM h2.example       messages to b.example go to h2.example
  hamlet peer route b.example IM local            they are kept here
  hamlet peer route b.example IM -                what `hamlet peer add` said counts again")]
    Route {
        /// Whose users
        #[arg(value_name = "DOMAIN")]
        peer: Option<String>,
        /// COMMON, CONTACTLIST, PRESENCE, IM, GROUP, CONTENT or PROFILE
        #[arg(value_name = "SERVICE", requires = "to")]
        service: Option<String>,
        /// A peer, local, or - for no line
        #[arg(value_name = "PEER")]
        to: Option<String>,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Args, Debug)]
pub(super) struct LineArgs {
    /// Where it is reached from here; may be repeated, the first that answers is used. Without one DNS is asked
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// How each proves to be the other: md5, which every server knows, or hmac-sha256, where both are set to it [default: md5]
    #[arg(long, value_name = "SCHEME")]
    digest: Option<String>,
    /// required, preferred or off [default: required, but for URLs of this machine and of private networks]
    #[arg(long, value_name = "POLICY")]
    tls: Option<String>,
    /// Who must have signed its certificate (PEM) [default: whom the system trusts]
    #[arg(long = "ca", value_name = "FILE")]
    authority: Option<PathBuf>,
    /// The SHA-256 of its certificate, whoever signed it
    #[arg(long, value_name = "HEX")]
    pin: Option<String>,
    /// What is used with it and nothing else, with commas between, instead of what is negotiated: COMMON, IM
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    services: Option<Vec<String>>,
    /// What it provides for the users of this domain, or of another one for which this domain relays; may be repeated
    #[arg(long, value_name = "SERVICE[@DOMAIN]", value_delimiter = ',')]
    provides: Vec<String>,
    /// What this domain provides for its users, or for those of another domain for which it relays; may be repeated
    #[arg(long, value_name = "SERVICE[@DOMAIN]", value_delimiter = ',')]
    served: Vec<String>,
    /// A domain whose users it may speak for, since it relays for them; may be repeated
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    behind: Vec<String>,
}

impl PeerCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        let (wish, format) = match self {
            Self::Add { peer, line, format } => {
                let LineArgs { urls, digest, tls, authority, pin, services, provides, served, behind } = line;
                // The server, which reads it, may run in another folder.
                let authority = authority.map(|path| std::path::absolute(&path).unwrap_or(path));
                let line = Line { urls, digest, tls, authority, pin, services, provides, served, behind };
                (Wish::Add { domain: peer, line }, format)
            }
            Self::List { format } => return list(format, common),
            Self::Show { peer, format } => (Wish::Show { domain: peer }, format),
            Self::Test { peer, format } => return test(peer, format, common),
            Self::Route { peer, service, to, format } => {
                let (wish, only) = match (peer, service, to) {
                    (Some(domain), Some(service), Some(to)) => (Wish::Route { domain, service, to }, None),
                    (only, ..) => (Wish::Routes, only),
                };
                return route(wish, only.as_deref(), format, common);
            }
            Self::Remove { peer, format } => {
                let outcome = desk::ask(common.load(&[])?, Command::Peer(Wish::Remove { domain: peer }))?;
                let Outcome::PeerRemoved { domain } = outcome else { return Err(desk::unexpected().into()) };
                if format.json {
                    output::json(&serde_json::json!({ "domain": domain }));
                } else {
                    output::say(&format!("{domain} is no peer any more"));
                }
                return Ok(());
            }
        };
        let outcome = desk::ask(common.load(&[])?, Command::Peer(wish))?;
        let Outcome::Peers { peers, running } = outcome else { return Err(desk::unexpected().into()) };
        let Some(peer) = peers.into_iter().next() else { return Err(desk::unexpected().into()) };
        if format.json {
            output::json(&peer);
        } else {
            show(&peer, running);
        }
        Ok(())
    }
}

fn list(format: Format, common: &Common) -> Done {
    let outcome = desk::ask(common.load(&[])?, Command::Peer(Wish::List))?;
    let Outcome::Peers { peers, .. } = outcome else { return Err(desk::unexpected().into()) };
    if format.json {
        output::json(&peers);
        return Ok(());
    }
    let row = |one: PeerView| {
        let is_up = one.state.as_ref().is_some_and(|state| !state.sessions.is_empty());
        let urls = one.line.map(|line| line.urls.join(" ")).filter(|urls| !urls.is_empty());
        let urls = urls.unwrap_or_else(|| "by DNS".to_owned());
        [one.domain, output::yes(is_up), one.agreement.origin, one.agreement.services.join(" "), urls]
    };
    let rows: Vec<_> = peers.into_iter().map(row).collect();
    output::table(["DOMAIN", "SESSION", "AGREEMENT", "SERVICES", "URL"], &rows);
    Ok(())
}

fn route(wish: Wish, only: Option<&str>, format: Format, common: &Common) -> Done {
    let outcome = desk::ask(common.load(&[])?, Command::Peer(wish))?;
    let Outcome::PeerRoutes { mut lines } = outcome else { return Err(desk::unexpected().into()) };
    if let Some(only) = only {
        lines.retain(|line| line.domain.eq_ignore_ascii_case(only));
    }
    if format.json {
        output::json(&lines);
    } else if lines.is_empty() {
        output::say(&match only {
            Some(only) => format!("nobody provides anything for {only} here"),
            None => "nobody provides anything here".to_owned(),
        });
    } else {
        services(&lines);
    }
    Ok(())
}

fn services(lines: &[ServiceView]) {
    let row = |one: &ServiceView| {
        let requestor = one.requestor.clone().unwrap_or_else(|| "-".to_owned());
        [one.domain.clone(), one.service.clone(), one.provider.clone(), requestor, one.source.clone()]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    output::table(["USERS OF", "SERVICE", "PROVIDED BY", "ASKED FOR BY", "SOURCE"], &rows);
}

fn relayed(rows: &[RelayedView]) {
    let row = |one: &RelayedView| {
        let (from, to) =
            (format!("{} {}", one.from, one.from_transaction), format!("{} {}", one.to, one.to_transaction));
        [from, to, one.service.clone(), one.name.clone(), one.requestor.clone(), one.deadline.clone()]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    output::table(["RELAYED FROM", "TO", "SERVICE", "WHAT", "FOR", "UNTIL"], &rows);
}

fn test(domain: String, format: Format, common: &Common) -> Done {
    let outcome = desk::ask(common.load(&[])?, Command::Peer(Wish::Test { domain }))?;
    let Outcome::PeerTested { steps } = outcome else { return Err(desk::unexpected().into()) };
    if format.json {
        output::json(&steps);
    } else {
        for step in &steps {
            output::say(&format!("{}  {}", if step.good { "ok    " } else { "FAILED" }, step.said));
        }
    }
    if steps.iter().all(|step| step.good) { Ok(()) } else { Err(Refusal::Told) }
}

fn show(peer: &PeerView, running: bool) {
    let mut facts: Vec<(&str, String)> = vec![("Peer", peer.domain.clone())];
    if let Some(line) = &peer.line {
        let urls = if line.urls.is_empty() { "by DNS".to_owned() } else { line.urls.join(", ") };
        facts.push(("URL", urls));
        facts.extend(line.digest.clone().map(|digest| ("Digest", digest)));
        facts.push(("TLS", line.tls.clone().unwrap_or_else(|| "by where the URL leads".to_owned())));
        facts.extend(line.authority.as_ref().map(|path| ("Signed by", path.display().to_string())));
        facts.extend(line.pin.clone().map(|pin| ("Pinned", pin)));
    }
    let agreement = &peer.agreement;
    let until = agreement.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
    facts.push(("Agreement", format!("{}{until}: {}", agreement.origin, agreement.services.join(", "))));
    for (name, lines) in
        [("It provides", &agreement.theirs), ("We provide", &agreement.ours), ("It relays for", &agreement.behind)]
    {
        facts.extend((!lines.is_empty()).then(|| (name, lines.join(", "))));
    }
    match &peer.state {
        Some(state) => facts.extend(state_facts(state)),
        None if running => facts.push(("Session", "none".to_owned())),
        None => facts.push(("Session", "no server runs".to_owned())),
    }
    if let Some(queue) = &peer.queue {
        let waits = format!("{} messages, {} reports, {} bytes", queue.messages, queue.reports, queue.bytes);
        facts.push(("Waiting", waits));
    }
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in &facts {
        output::say(&format!("{name:<width$}  {value}"));
    }
    if !peer.table.is_empty() {
        output::say("");
        services(&peer.table);
    }
    if !peer.relayed.is_empty() {
        output::say("");
        relayed(&peer.relayed);
    }
    if !peer.open.is_empty() {
        output::say("");
        let row = |one: &OpenView| {
            let whose = if one.ours { "ours" } else { "its" }.to_owned();
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            [one.transaction.clone(), whose, or_none(&one.name), or_none(&one.until), one.state.clone()]
        };
        output::table(["TRANSACTION", "WHOSE", "WHAT", "UNTIL", ""], &peer.open.iter().map(row).collect::<Vec<_>>());
    }
    if let Some(queue) = peer.queue.as_ref().filter(|queue| !queue.first.is_empty()) {
        show_queue(queue);
    }
}

fn state_facts(state: &StateView) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    for session in &state.sessions {
        facts.push(("Session", format!("{} / {}, until {}", session.own, session.theirs, session.until)));
    }
    if state.sessions.is_empty() {
        facts.push(("Session", "none".to_owned()));
    }
    facts.extend(state.url.clone().map(|url| ("Used URL", url)));
    facts.push(("Open", format!("{} requests of ours, {} transactions of its", state.requests, state.transactions)));
    facts.push(("Remembered", format!("{} answers", state.remembered)));
    facts.push(("Posted", format!("{}, {} of them not taken", state.posts, state.posts_failed)));
    facts.push(("Came", format!("{}, {} of them refused", state.arrivals, state.arrivals_refused)));
    if let (Some(at), Some(why)) = (&state.failed_at, &state.failure) {
        facts.push(("Last failure", format!("{at}: {why}")));
    }
    if let Some(at) = &state.next_try {
        facts.push(("Next try", format!("{at}, or at once: hamlet peer test")));
    }
    facts
}

fn show_queue(queue: &QueueView) {
    output::say("");
    let rows: Vec<_> = queue
        .first
        .iter()
        .map(|one| {
            let (kind, from) = (one.kind.clone(), one.from.clone());
            [one.message.clone(), kind, from, one.to.join(" "), one.expires.clone()]
        })
        .collect();
    output::table(["WAITING", "KIND", "FROM", "TO", "UNTIL"], &rows);
}
