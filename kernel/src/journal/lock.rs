//! One process a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Takes the lock of a directory, which lasts as long as the file is open. `WouldBlock` if somebody else has it.
pub fn take(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            let who = if owner.trim().is_empty() {
                "another process".to_owned()
            } else {
                format!("process {}", owner.trim())
            };
            return Err(io::Error::new(io::ErrorKind::WouldBlock, format!("it is in use by {who}")));
        }
    }
    // For people: whoever is asked why he waits.
    file.set_len(0)?;
    file.rewind()?;
    let _ = write!(file, "{}", std::process::id());
    Ok(file)
}
