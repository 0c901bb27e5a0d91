//! The word that somebody waits for. Dropped without it, which takes a bug, it says that it failed.

use super::Done;
use crate::load::Refused;

pub struct Promise(Option<Done>);

impl Promise {
    pub fn new(done: Done) -> Self {
        Self(Some(done))
    }

    pub fn keep(mut self, outcome: Result<(), Refused>) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Refused::Failed("it has stopped".to_owned())));
        }
    }
}
