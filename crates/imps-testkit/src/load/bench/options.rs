//! What is asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use super::{CALM_RATE, MESSAGE_SIZE, PAIRS};
use crate::load::chat::Plan;
use crate::load::server::default_folder;
use crate::load::{Outcome, group, presence, talk};

pub(super) struct Options {
    pub(super) json: bool,
    pub(super) quick: bool,
    pub(super) hamlet: PathBuf,
    pub(super) libwbxml: Option<PathBuf>,
    pub(super) only: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) time: Duration,
    pub(super) plan: Plan,
    pub(super) calm_pairs: usize,
    pub(super) calm_plan: Plan,
    pub(super) socket_pairs: usize,
    pub(super) socket_plan: talk::Plan,
    pub(super) watch_plan: presence::Plan,
    pub(super) group_plan: group::Plan,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Option<Self>> {
        let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("hamlet")));
        let mut options = Self {
            json: false,
            quick: false,
            hamlet: beside.unwrap_or_else(|| "hamlet".into()),
            libwbxml: None,
            only: Vec::new(),
            folder: default_folder(),
            time: Duration::ZERO,
            plan: Plan { rate: None, ahead: 2, pause: Duration::from_millis(3), size: MESSAGE_SIZE },
            calm_pairs: 8,
            calm_plan: Plan {
                rate: Some(CALM_RATE),
                ahead: 1000,
                pause: Duration::from_micros(700),
                size: MESSAGE_SIZE,
            },
            socket_pairs: 32,
            socket_plan: talk::Plan { rate: None, ahead: 16, together: 16, size: MESSAGE_SIZE, is_relayed: false },
            watch_plan: presence::Plan { share: 0.5, pause: Duration::from_millis(4) },
            group_plan: group::Plan {
                share: 0.5,
                ahead: 32,
                together: 16,
                pause: Duration::from_millis(4),
                size: MESSAGE_SIZE,
            },
        };
        let mut seconds = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || given.clone().or_else(|| rest.next().cloned()).ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse::<f64>().map_err(|_| format!("{name}: `{text}` is no number"));
            match name {
                "--help" | "-h" => return Ok(None),
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--hamlet" => options.hamlet = value()?.into(),
                "--libwbxml" => options.libwbxml = Some(value()?.into()),
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--dir" => options.folder = value()?.into(),
                "--seconds" => seconds = Some(number(value()?)?),
                "--ahead" => options.plan.ahead = number(value()?)? as usize,
                "--pause-ms" => options.plan.pause = millis(number(value()?)?),
                "--calm-pairs" => options.calm_pairs = number(value()?)?.clamp(1.0, PAIRS as f64) as usize,
                "--calm-pause-ms" => options.calm_plan.pause = millis(number(value()?)?),
                "--socket-pairs" => options.socket_pairs = number(value()?)?.clamp(1.0, PAIRS as f64) as usize,
                "--socket-together" => options.socket_plan.together = number(value()?)?.clamp(1.0, 60.0) as usize,
                "--socket-ahead" => options.socket_plan.ahead = number(value()?)?.clamp(1.0, 60.0) as usize,
                "--watch-share" => options.watch_plan.share = number(value()?)?,
                "--watch-pause-ms" => options.watch_plan.pause = millis(number(value()?)?),
                "--group-ahead" => options.group_plan.ahead = number(value()?)?.clamp(1.0, 1e6) as usize,
                "--group-together" => options.group_plan.together = number(value()?)?.clamp(1.0, 60.0) as u32,
                "--group-share" => options.group_plan.share = number(value()?)?,
                "--group-pause-ms" => options.group_plan.pause = millis(number(value()?)?),
                _ => return Err(format!("unknown option {argument}; see --help")),
            }
        }
        let seconds = seconds.unwrap_or(if options.quick { 1.5 } else { 5.0 });
        options.time = Duration::from_secs_f64(seconds.clamp(0.1, 600.0));
        Ok(Some(options))
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn millis(number: f64) -> Duration {
    Duration::from_secs_f64(number.clamp(0.0, 10_000.0) / 1000.0)
}
