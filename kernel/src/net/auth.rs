//! Who may send: whoever has a token, or a name and its password.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::htpasswd::Secret;
use crate::base64;
use crate::error::OptionError;

/// Passwords that are checked at the same time: each takes a core for a while, on purpose.
const CHECKS: usize = 2;
/// Headers whose password was right, or wrong, that are remembered at most.
const REMEMBERED: usize = 1024;

/// Of whom requests are taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Settings {
    /// Whoever sends one of these, behind the scheme, in this header.
    Bearer { header: String, scheme: String, tokens: Vec<String> },
    /// Whoever knows a password. Names, and what htpasswd wrote behind them; of equal names the last one counts.
    Basic { users: Vec<(String, String)> },
}

/// Lets requests in, by rules that may be replaced while it does.
pub struct Guard(RwLock<Arc<Rules>>);

enum Rules {
    /// Digests are compared, so that time tells nothing of tokens.
    Bearer {
        header: HeaderName,
        challenge: HeaderValue,
        tokens: HashSet<[u8; 32]>,
    },
    Basic {
        users: HashMap<String, Secret>,
        verdicts: Mutex<HashMap<[u8; 32], bool>>,
        checks: Semaphore,
    },
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: &'static str,
    /// What HTTP says with it: what is wanted.
    pub challenge: HeaderValue,
}

impl Guard {
    /// Says which option is wrong, and what is.
    pub fn new(settings: &Settings) -> Result<Self, OptionError> {
        Ok(Self(RwLock::new(Arc::new(Rules::new(settings)?))))
    }

    /// From now on by other rules.
    pub fn replace(&self, settings: &Settings) -> Result<(), OptionError> {
        let rules = Arc::new(Rules::new(settings)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Whether a request with these headers may come in.
    pub async fn admit(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        match &*rules {
            Rules::Bearer { header, challenge, tokens } => {
                let reason = match headers.get(header).map(HeaderValue::as_bytes) {
                    None | Some(b"") => "missing or empty authorization header",
                    Some(value) if tokens.contains(&digest(value)) => return Ok(()),
                    Some(_) => "scheme or token does not match",
                };
                Err(Rejection { reason, challenge: challenge.clone() })
            }
            Rules::Basic { .. } => basic(rules.clone(), headers).await.map_err(|reason| Rejection {
                reason,
                challenge: HeaderValue::from_static("Basic realm=\"spanmill\", charset=\"UTF-8\""),
            }),
        }
    }
}

impl Rules {
    fn new(settings: &Settings) -> Result<Self, OptionError> {
        match settings {
            Settings::Bearer { header, scheme, tokens } => {
                let name = HeaderName::from_bytes(header.as_bytes())
                    .map_err(|_| OptionError::new("header", format!("{header:?} is no name of a header")))?;
                let challenge = HeaderValue::from_str(if scheme.is_empty() { "Bearer" } else { scheme })
                    .map_err(|_| OptionError::new("scheme", format!("{scheme:?} cannot stand in a header")))?;
                let whole = |token: &String| match scheme.as_str() {
                    "" => digest(token.as_bytes()),
                    scheme => digest(format!("{scheme} {token}").as_bytes()),
                };
                Ok(Self::Bearer { header: name, challenge, tokens: tokens.iter().map(whole).collect() })
            }
            Settings::Basic { users } => {
                let mut known = HashMap::new();
                for (name, written) in users {
                    let secret = Secret::parse(written)
                        .map_err(|why| OptionError::new("htpasswd", format!("the password of {name:?}: {why}")))?;
                    known.insert(name.clone(), secret);
                }
                Ok(Self::Basic { users: known, verdicts: Mutex::default(), checks: Semaphore::new(CHECKS) })
            }
        }
    }
}

/// Checks a name and its password, off this thread the first time.
async fn basic(rules: Arc<Rules>, headers: &HeaderMap) -> Result<(), &'static str> {
    let Rules::Basic { verdicts, checks, .. } = &*rules else { return Err(INVALID) };
    let value = headers.get(http::header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let value = value.filter(|value| !value.is_empty()).ok_or("no basic auth provided")?;
    let key = digest(value);
    let remembered = || verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    let mut verdict = remembered();
    if verdict.is_none() {
        let (name, password) = parse(value)?;
        let _turn = checks.acquire().await.map_err(|_| INVALID)?;
        // Somebody else may have asked the same meanwhile.
        verdict = remembered();
        if verdict.is_none() {
            let knower = rules.clone();
            let checked = spawn_blocking(move || knower.knows(&name, &password)).await.map_err(|_| INVALID)?;
            let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            if verdicts.len() >= REMEMBERED {
                verdicts.clear();
            }
            verdicts.insert(key, checked);
            verdict = Some(checked);
        }
    }
    if verdict == Some(true) { Ok(()) } else { Err(INVALID) }
}

const INVALID: &str = "invalid credentials";

impl Rules {
    fn knows(&self, name: &str, password: &[u8]) -> bool {
        match self {
            Self::Basic { users, .. } => {
                // As long for a name that nobody has as for the others, so that time tells nothing of names.
                let secret = users.get(name).or_else(|| users.values().next());
                let fits = secret.is_some_and(|secret| secret.is(password));
                fits && users.contains_key(name)
            }
            Self::Bearer { .. } => false,
        }
    }
}

/// Name and password from `Basic` and base64 (RFC 7617).
fn parse(value: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let (scheme, encoded) = value.split_at_checked(6).ok_or("invalid authorization scheme prefix")?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Err("invalid authorization scheme prefix");
    }
    let mut decoded = Vec::new();
    if !base64::decode(encoded.trim_ascii(), &mut decoded) {
        return Err("invalid authorization format");
    }
    let colon = decoded.iter().position(|byte| *byte == b':').ok_or("invalid authorization format")?;
    let password = decoded.split_off(colon + 1);
    decoded.pop();
    let name = String::from_utf8(decoded).map_err(|_| "invalid authorization format")?;
    Ok((name, password))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        [(http::header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    async fn told(guard: &Guard, headers: &HeaderMap) -> &'static str {
        guard.admit(headers).await.map_or_else(|rejection| rejection.reason, |()| "come in")
    }

    #[tokio::test]
    async fn a_token_behind_its_scheme_is_let_in() {
        let settings = |tokens: &[&str]| Settings::Bearer {
            header: "authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
        };
        let guard = Guard::new(&settings(&["one", "two"])).unwrap();
        for (value, expected) in [
            ("Bearer one", "come in"),
            ("Bearer two", "come in"),
            ("bearer one", "scheme or token does not match"),
            ("Bearer  one", "scheme or token does not match"),
            ("one", "scheme or token does not match"),
            ("", "missing or empty authorization header"),
        ] {
            assert_eq!(told(&guard, &headers(value)).await, expected, "{value:?}");
        }
        assert_eq!(told(&guard, &HeaderMap::new()).await, "missing or empty authorization header");

        guard.replace(&settings(&["three"])).unwrap();
        assert_eq!(told(&guard, &headers("Bearer one")).await, "scheme or token does not match");
        assert_eq!(told(&guard, &headers("Bearer three")).await, "come in");
    }

    #[tokio::test]
    async fn a_name_with_its_password_is_let_in_and_remembered() {
        let users = vec![("jo".to_owned(), "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=".to_owned())];
        let guard = Guard::new(&Settings::Basic { users }).unwrap();
        let of = |text: &str| format!("Basic {}", base64::encode(text.as_bytes()));
        for _ in 0..2 {
            assert_eq!(told(&guard, &headers(&of("jo:test"))).await, "come in");
            assert_eq!(told(&guard, &headers(&of("jo:other"))).await, INVALID);
            assert_eq!(told(&guard, &headers(&of("ann:test"))).await, INVALID);
        }
        assert_eq!(told(&guard, &HeaderMap::new()).await, "no basic auth provided");
        assert_eq!(told(&guard, &headers("Bearer x")).await, "invalid authorization scheme prefix");
        assert_eq!(told(&guard, &headers("Basic ???")).await, "invalid authorization format");
        assert_eq!(told(&guard, &headers(&of("jo"))).await, "invalid authorization format");
    }

    #[test]
    fn what_cannot_work_is_said() {
        let bad = |settings| Guard::new(&settings).err().map(|error| error.to_string());
        let bearer = Settings::Bearer { header: "a b".to_owned(), scheme: String::new(), tokens: Vec::new() };
        assert!(bad(bearer).is_some_and(|text| text.contains("header")));
        let users = vec![("jo".to_owned(), "$6$salt$digest".to_owned())];
        assert!(bad(Settings::Basic { users }).is_some_and(|text| text.contains("htpasswd -B")));
    }
}
