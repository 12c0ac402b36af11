//! Mixed load for an hour. See `imps_testkit::load::soak`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match imps_testkit::load::soak::run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => fail(&message),
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program")]
fn fail(message: &str) -> ExitCode {
    eprintln!("hamlet-soak: {message}");
    ExitCode::from(2)
}
