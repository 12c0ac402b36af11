//! Programs and libraries that are not Rust's: what is missing is installed from Debian's packages.

use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::process::{installed, stream, succeeds};

/// Something that a step needs, and the Debian package that has it.
pub(crate) struct Need {
    probe: Probe,
    package: &'static str,
    why: &'static str,
}

enum Probe {
    Program(&'static str),
    Library(&'static str),
}

/// What the tests of `check` start.
pub(crate) const FOR_TESTS: &[Need] = &[
    Need { probe: Probe::Program("cc"), package: "gcc", why: "compiles SQLite and the allocator" },
    Need { probe: Probe::Program("curl"), package: "curl", why: "an HTTP client that is not ours" },
    Need { probe: Probe::Program("xml2wbxml"), package: "libwbxml2-utils", why: "an outside judge of WBXML" },
    Need { probe: Probe::Program("wbxml2xml"), package: "libwbxml2-utils", why: "an outside judge of WBXML" },
    Need { probe: Probe::Program("python3"), package: "python3", why: "a peer that is not ours" },
    Need { probe: Probe::Program("tshark"), package: "tshark", why: "another judge of WBXML" },
    Need { probe: Probe::Program("strace"), package: "strace", why: "shows that the sync precedes the answer" },
];

/// What `bench` compares the codecs with.
pub(crate) const FOR_BENCH: &[Need] = &[
    Need { probe: Probe::Program("cc"), package: "gcc", why: "compiles the reference" },
    Need { probe: Probe::Program("pkg-config"), package: "pkg-config", why: "finds the library of the reference" },
    Need { probe: Probe::Library("libwbxml2"), package: "libwbxml2-dev", why: "the reference for WBXML" },
];

/// What `torture --sync-proof` watches the server with.
pub(crate) const FOR_TORTURE: &[Need] =
    &[Need { probe: Probe::Program("strace"), package: "strace", why: "shows that the sync precedes the answer" }];

/// What cargo-fuzz compiles libFuzzer with.
pub(crate) const FOR_FUZZ: &[Need] =
    &[Need { probe: Probe::Program("c++"), package: "g++", why: "compiles libFuzzer" }];

impl Need {
    fn is_met(&self) -> bool {
        match self.probe {
            Probe::Program(name) => installed(name),
            Probe::Library(name) => succeeds(Command::new("pkg-config").args(["--exists", name])),
        }
    }
}

/// Installs what is missing, saying what and why. Nothing missing: nothing done, no network asked.
pub(crate) fn install(needs: &[Need]) -> Outcome {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = Vec::new();
    for need in &missing {
        if !packages.contains(&need.package) {
            eprintln!("missing: {} ({})", need.package, need.why);
            packages.push(need.package);
        }
    }
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !installed("apt-get") {
        return Err(format!("this machine has no apt-get; install what Debian calls: {}", packages.join(" ")));
    }
    let Some(prefix) = privileges() else {
        return Err(format!("neither root nor sudo without a password; please run as root: {by_hand}"));
    };
    stream(&mut apt_get(prefix, &["update"]))?;
    // The recommended packages are desktops and manuals.
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&packages);
    stream(&mut apt_get(prefix, &arguments))?;
    match missing.iter().find(|need| !need.is_met()) {
        None => Ok(()),
        Some(need) => Err(format!("{} is installed, but what was wanted of it is not there", need.package)),
    }
}

/// What has to stand before a command to make it root's; nothing if we are.
fn privileges() -> Option<&'static [&'static str]> {
    // The owner of this folder is the user that we run as.
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(Path::new("/proc/self")).ok()?) == 0;
    if root {
        return Some(&[]);
    }
    (installed("sudo") && succeeds(Command::new("sudo").args(["-n", "true"]))).then_some(&["sudo", "-n"])
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Command {
    // tshark asks who may capture packets; unasked, the answer is root alone, and the tests only read files.
    let mut words = prefix.to_vec();
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]);
    words.extend(arguments);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(std::process::Stdio::null());
    // Standard output belongs to the figures of `bench --json`.
    command.stdout(std::io::stderr());
    command
}
