//! What became of each request, as its client knows it: a file that the load generator writes and the sink reads.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::ids::SENDERS;

/// What a client knows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It never left.
    Unsent = 0,
    Accepted = 1,
    Refused = 2,
    /// It left, and no answer came.
    Unanswered = 3,
}

/// Outcomes by sender and by the number of the request.
#[derive(Debug, Default)]
pub struct Outcomes(Vec<Vec<u8>>);

impl Outcomes {
    /// Notes that a sender has one more request, and gives its number.
    pub fn begin(&mut self, sender: u16) -> u64 {
        let requests = self.of(sender);
        requests.push(Outcome::Unsent as u8);
        requests.len() as u64 - 1
    }

    pub fn end(&mut self, sender: u16, request: u64, outcome: Outcome) {
        self.of(sender)[request as usize] = outcome as u8;
    }

    fn of(&mut self, sender: u16) -> &mut Vec<u8> {
        if self.0.len() <= sender.into() {
            self.0.resize_with(usize::from(sender) + 1, Vec::new);
        }
        &mut self.0[usize::from(sender)]
    }

    /// Calls `see` with sender, number and outcome of each request.
    pub fn each(&self, mut see: impl FnMut(u16, u64, u8)) {
        for (sender, requests) in self.0.iter().enumerate() {
            requests.iter().enumerate().for_each(|(number, &outcome)| see(sender as u16, number as u64, outcome));
        }
    }

    /// Writes, for each sender, how many requests it has and a byte for each.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for requests in &self.0 {
            file.write_all(&(requests.len() as u64).to_le_bytes())?;
            file.write_all(requests)?;
        }
        file.flush()
    }

    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let mut senders = Vec::new();
        let mut length = [0; 8];
        while senders.len() < SENDERS && file.read_exact(&mut length).is_ok() {
            let mut requests = Vec::new();
            let length = u64::from_le_bytes(length);
            if file.by_ref().take(length).read_to_end(&mut requests)? as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            senders.push(requests);
        }
        Ok(Self(senders))
    }
}
