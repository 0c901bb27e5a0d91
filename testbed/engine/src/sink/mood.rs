//! How the sink treats requests: a backend has good days and bad ones.

use serde::Deserialize;

/// What happens to requests from now on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(tag = "mood", rename_all = "lowercase", deny_unknown_fields)]
pub enum Mood {
    /// They are taken.
    #[default]
    Well,
    /// They are taken after a while.
    Slow { delay_ms: u64 },
    /// A share of them, from 0 to 1, is refused, and the client may be told when to come again.
    Refuse { status: Refusal, share: f64, retry_after_ms: Option<u64> },
    /// They wait until the mood changes.
    Hang,
    /// Nobody listens, and all connections end.
    Dead,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    Unavailable,
    ResourceExhausted,
}

impl Refusal {
    pub fn grpc(self) -> &'static str {
        match self {
            Self::Unavailable => "14",
            Self::ResourceExhausted => "8",
        }
    }

    pub fn http(self) -> u16 {
        match self {
            Self::Unavailable => 503,
            Self::ResourceExhausted => 429,
        }
    }
}

/// Refuses a share of requests, evenly.
#[derive(Debug, Default)]
pub struct Share(f64);

impl Share {
    /// Whether the next request is one of the share.
    pub fn has_next(&mut self, share: f64) -> bool {
        self.0 += share;
        let next = self.0 >= 1.0;
        self.0 -= f64::from(u8::from(next));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly() {
        let mut share = Share::default();
        let refused: Vec<_> = (0..8).map(|_| share.has_next(0.25)).collect();
        assert_eq!(refused, [false, false, false, true, false, false, false, true]);
        assert!((0..8).all(|_| Share::default().has_next(1.0)));
        assert!(!(0..8).any(|_| share.has_next(0.0)));
    }

    #[test]
    fn moods_are_read_by_name() {
        let read = |text| serde_json::from_str::<Mood>(text).unwrap();
        assert_eq!(read(r#"{"mood": "dead"}"#), Mood::Dead);
        let refuse = Mood::Refuse { status: Refusal::ResourceExhausted, share: 0.5, retry_after_ms: None };
        assert_eq!(read(r#"{"mood": "refuse", "status": "resource_exhausted", "share": 0.5}"#), refuse);
        assert!(serde_json::from_str::<Mood>(r#"{"mood": "merry"}"#).is_err());
    }
}
