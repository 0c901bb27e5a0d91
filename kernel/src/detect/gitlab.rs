//! `gitlab_token`: tokens of GitLab, of every kind that has a prefix, old and routable.
//! <https://docs.gitlab.com/security/tokens/#token-prefixes>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{BASE64URL, Set, Text};
use super::token::{self, Token};

pub static GITLAB_TOKEN: Detector = Detector {
    name: "gitlab_token",
    description: "Tokens of GitLab: glpat-…, gldt-…, glrt-…, glcbt-… and the like",
    anchors: &[Anchor::of(["g", "l", "pdrcfsia"], 0)],
    look,
    whole: None,
};

/// Routable tokens have a part behind a point.
static ROUTABLE: Set = Set::of("A-Za-z0-9_.-");

macro_rules! tokens {
    ($($prefix:literal)*) => {
        &[$(Token::new($prefix, &ROUTABLE, 27, 300).checked(is_routable), Token::new($prefix, &BASE64URL, 20, 50)),*]
    };
}

static TOKENS: &[Token] = tokens!["glpat-" "gldt-" "glrt-" "glrtr-" "glptt-" "glft-" "glsoat-" "glimt-" "glagent-" "glcbt-" "gloas-" "glffct-"];

/// The last part is the length of the first, in two digits to the base of 36, and a checksum of seven.
fn is_routable(token: &[u8]) -> bool {
    let last = token.rsplit(|byte| *byte == b'.').next().unwrap_or(&[]);
    last.len() == 9
        && last.len() < token.len()
        && last.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(TOKENS, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn tokens_are_found() {
        let random = "aB3dE5fG7hI9-K1lM_nO";
        let token = format!("{}-{random}", "glpat");
        finds(
            "gitlab_token",
            &[
                token.as_str(),
                &format!("PRIVATE-TOKEN: ⟦{token}⟧"),
                &format!("https://oauth2:⟦{token}⟧@gitlab.com/a/b.git"),
                &format!("\"⟦{token}⟧\""),
                &format!("⟦{token}⟧."),
                &format!("⟦gldt-{random}⟧ ⟦glrt-{random}⟧"),
                &format!("⟦glcbt-64_{random}⟧"),
                &format!("⟦glpat-{random}bzoxCnU6MQ.01.0w1a2b3c4⟧").replace("0w1a2b3c4", "0w0a1b2c3"),
                &format!("⟦glptt-{}⟧", "0123456789abcdef".repeat(3).get(..40).unwrap()),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "gitlab_token",
            &[
                "glpat-short",
                "glpat-xxxxxxxxxxxxxxxxxxxx",
                "xglpat-aB3dE5fG7hI9-K1lM_nO",
                "glpat_aB3dE5fG7hI9-K1lM_nO",
                "glade and glance",
                "gl-dependency-scanning-report.json",
                "gldt-",
                "GLPAT-aB3dE5fG7hI9-K1lM_nO",
            ],
        );
    }
}
