//! How Python drives these processes: JSON, a line each; commands on standard input, events on standard output.

use std::io::{Write, stdout};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

/// Seconds since 1970, as events carry them.
pub fn seconds() -> f64 {
    now() as f64 / 1e9
}

/// Prints an event. Who cannot be told any more has ended, and so does this process.
pub fn tell(event: &impl Serialize) {
    let mut line = serde_json::to_vec(event).expect("events are plain data");
    line.push(b'\n');
    let mut out = stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Commands, until standard input is closed.
///
/// A thread reads them: standard input of tokio is one as well, and would keep the process from ending.
pub fn commands<C: DeserializeOwned + Send + 'static>() -> mpsc::UnboundedReceiver<C> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(command) => {
                    if sender.send(command).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    eprintln!("{line}: {error}");
                    std::process::exit(2);
                }
            }
        }
    });
    receiver
}
