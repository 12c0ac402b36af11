//! `hamlet serve`.

use std::io;
use std::os::unix::process::CommandExt;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{Common, Done, output};
use crate::command::Failure;
use crate::config::{Config, Source};
use crate::serve::{self, Ended, Ready};

/// Serve clients until SIGTERM or Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "\
Prints `ready on http://ADDRESS:PORT` when clients can connect; the log goes to the standard error stream. For phones name an address that they can reach. GET /healthz answers 200 when the server is ready, GET /metrics has its figures.

Examples:
  hamlet serve                                       try it on this machine
  hamlet serve --listen 0.0.0.0:8080 --domain example.org --data /var/lib/hamlet
  hamlet serve --log info,imps_csp=debug --setting session.ttl_max=7200
  HAMLET_LISTEN=0.0.0.0:8080 hamlet serve")]
pub(super) struct Serve {
    /// Where clients connect; port 0 is any free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Settings")]
    listen: Option<String>,

    /// Where people connect with telnet or netcat (Command Line Protocol), such as 127.0.0.1:5520 [default: off]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Settings")]
    clp_listen: Option<String>,
}

impl Serve {
    pub(super) fn run(self, common: &Common) -> Done {
        let config = common.load(&[("listen", self.listen.as_ref()), ("clp.listen", self.clp_listen.as_ref())])?;
        start_log(&config.settings.log, &config.settings.log_format);
        log_panics();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if config.settings.threads > 0 {
            builder.worker_threads(config.settings.threads);
        }
        let runtime = builder.enable_all().build().map_err(|error| Failure::new(format!("no runtime: {error}")))?;
        let typed = typed(&config, &["data", "domain"]);
        let ready = move |ready: &Ready<'_>| {
            for line in announcement(ready, serve::network_address(), &typed) {
                output::mention(&line);
            }
        };
        let ended = runtime.block_on(Box::pin(serve::serve(config, ready)))?;
        // Whatever still holds the folder, or a connection, goes with the process's image.
        match ended {
            Ended::Stopped => Ok(()),
            Ended::BeginAnew => Err(begin_anew().into()),
        }
    }
}

/// The same program with the same options in place of this one. Returns only when that fails.
fn begin_anew() -> Failure {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Failure::new(format!("cannot start anew: {error}")),
    };
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
    Failure::new(format!("cannot start anew: {error}")).hint("start the server again; the backup is put in place then")
}

/// What was typed, to be typed again.
fn typed(config: &Config, keys: &[&str]) -> String {
    let is_typed = |key: &&&str| matches!(config.source(key), Source::Flag(option) if option != "--setting");
    let value = |key: &&str| crate::config::setting(key).map(|setting| setting.read(&config.settings).to_string());
    keys.iter().filter(is_typed).map(|key| format!(" --{key} {}", value(key).unwrap_or_default())).collect()
}

/// What is said when clients can connect: much at the first start, a line at the others.
fn announcement(ready: &Ready<'_>, network: Option<std::net::IpAddr>, typed: &str) -> Vec<String> {
    let settings = ready.settings;
    let port = ready.address.port();
    let mut lines = Vec::new();
    if ready.is_first {
        let domain = &settings.service.domain;
        lines.push(format!(
            "Hamlet {} serves the domain {domain} from {}",
            env!("CARGO_PKG_VERSION"),
            settings.data.display()
        ));
        let is_loopback = ready.address.ip().is_loopback();
        let host = network.filter(|_| ready.address.ip().is_unspecified()).unwrap_or(ready.address.ip());
        lines.push(format!(
            "Clients connect to http://{}/ (any path), with CSP 1.1, 1.2 or 1.3 in XML, WBXML, JSON or PTS",
            std::net::SocketAddr::new(host, port)
        ));
        lines.push(format!(
            "Add a user:   hamlet user add alice{}",
            typed.split(" --domain ").next().unwrap_or_default()
        ));
        if is_loopback {
            let address = network.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
            lines.push("Only this machine reaches that address. For phones in your network:".to_owned());
            lines.push(format!("              hamlet serve --listen {address}:{port}{typed}"));
        }
        lines.push("Settings:     hamlet config explain        Something is wrong:  hamlet doctor".to_owned());
    }
    lines.extend(ready.clp.map(|address| format!("command lines (CLP) on {address}")));
    lines.extend(ready.clps.map(|address| format!("command lines (CLP) by TLS on {address}")));
    lines.push(format!("ready on http://{}", ready.address));
    lines
}

/// Sends what is logged to the standard error stream. Only the first call counts.
pub(super) fn start_log(filter: &str, format: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // It fails when a log was started before, which then goes on.
    let _ = match format {
        "json" => log.json().try_init(),
        _ => log.try_init(),
    };
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let message = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(place, thread = thread.name().unwrap_or_default(), message, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn say(listen: &str, is_first: bool) -> Vec<String> {
        let settings = Settings::default();
        let (address, clp) = (listen.parse().unwrap(), "127.0.0.1:5520".parse().ok().filter(|_| is_first));
        let ready = Ready { settings: &settings, address, clp, clps: None, is_first };
        announcement(&ready, Some([192, 168, 7, 5].into()), " --data d --domain a.example")
    }

    #[test]
    fn the_first_start_says_how_phones_connect() {
        let lines = say("127.0.0.1:8080", true);
        assert!(lines.len() <= 10);
        assert!(lines.contains(&"command lines (CLP) on 127.0.0.1:5520".to_owned()), "{lines:?}");
        let text = lines.join("\n");
        assert!(text.contains("http://127.0.0.1:8080/"), "{text}");
        assert!(text.contains("hamlet serve --listen 192.168.7.5:8080 --data d --domain a.example"), "{text}");
        assert!(text.contains("hamlet user add alice --data d\n"), "{text}");
        let text = say("0.0.0.0:9000", true).join("\n");
        assert!(text.contains("http://192.168.7.5:9000/") && !text.contains("Only this machine"), "{text}");
    }

    #[test]
    fn later_starts_say_a_line() {
        assert_eq!(say("127.0.0.1:8080", false), ["ready on http://127.0.0.1:8080"]);
    }
}
