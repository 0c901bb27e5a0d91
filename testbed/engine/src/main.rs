//! The hot loops of the testbed. Python plans, starts, collects and reports; this sends and receives.
//!
//!     spanmill-testbed load '{"plan": …}'    sends requests by a schedule, or as fast as they are answered
//!     spanmill-testbed sink '{"plan": …}'    receives them, and tells of every span what became of it
//!
//! Both take commands on standard input and print events on standard output, JSON, a line each, and end when
//! standard input is closed.

#![forbid(unsafe_code)]

mod compression;
mod control;
mod ids;
mod latency;
mod load;
mod outcomes;
mod plan;
#[cfg(test)]
mod samples;
mod sink;
mod template;
mod wire;

use std::error::Error;
use std::process::ExitCode;

use tokio::task::LocalSet;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, settings] = arguments.as_slice() else {
        eprintln!("usage: spanmill-testbed load|sink SETTINGS (a JSON object)");
        return ExitCode::from(2);
    };
    match run(role, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Each role has one thread for its work, so that its processor time can be judged: one core is its limit.
fn run(role: &str, settings: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = LocalSet::new();
    match role {
        "load" => work.block_on(&runtime, load::run(serde_json::from_str(settings)?)),
        "sink" => work.block_on(&runtime, sink::run(serde_json::from_str(settings)?)),
        _ => Err("it is load or sink".into()),
    }
}
