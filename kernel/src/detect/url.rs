//! `basic_auth_url`: a name with a password in front of the host of a URL (RFC 3986, section 3.2.1), such as in the addresses of
//! databases. Only what stands between `//` and `@` is the finding.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text};

pub static BASIC_AUTH_URL: Detector = Detector {
    name: "basic_auth_url",
    description: "Name and password in a URL, as in postgres://name:password@host",
    anchors: &[Anchor::of([":", "/", "/"], 0)],
    look,
    whole: None,
};

/// A password may have more signs than a URL allows, since people do not always escape them.
static USERINFO: Set = Set::of("/?# \t\r\n\"'<>\\`|,").not();
/// Longer ones are something else, in bytes.
const LONGEST: usize = 512;

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    let has_scheme = text.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric());
    let start = at + 3;
    let end = text.run_within(start, &USERINFO, LONGEST);
    // The password may hold an `@`, the host may not.
    let userinfo = text.slice(start..end);
    let sign = userinfo.iter().rposition(|byte| *byte == b'@')?;
    let (userinfo, host) = (&userinfo[..sign], &userinfo[sign + 1..]);
    let colon = userinfo.iter().position(|byte| *byte == b':')?;
    let password = &userinfo[colon + 1..];
    let is_host = host.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[' || *byte >= 0x80);
    (has_scheme && is_host && !is_placeholder(password)).then_some(start..start + sign)
}

/// `${PASSWORD}`, `{password}`, `%s`, `$PASS`, `****`, `xxxxx`; or none at all.
fn is_placeholder(password: &[u8]) -> bool {
    password.len() > 1
        && password[0] == b'$'
        && password[1..].iter().all(|byte| byte.is_ascii_uppercase() || b"_{}".contains(byte))
        || matches!(password, [b'{' | b'[', .., b'}' | b']'] | b"%s" | b"%v")
        || password.iter().all(|byte| *byte == password[0] && b"*x.X".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn names_with_passwords_are_found() {
        finds(
            "basic_auth_url",
            &[
                "https://⟦jo:hunter2⟧@example.com/path?x=1",
                "postgres://⟦app:s3cr3t⟧@db.internal:5432/app",
                "redis://⟦:s3cr3t⟧@cache:6379/0",
                "mongodb+srv://⟦app:p%40ss⟧@cluster0.example.mongodb.net",
                "amqp://⟦guest:p@ss:word⟧@rabbit",
                "url=\"mysql://⟦root:toor⟧@10.0.0.1:3306\"",
                "jdbc:postgresql://⟦app:s3cr3t⟧@db/app and http://⟦a:b⟧@c",
                "https://⟦x-access-token:abc123⟧@github.com/a/b.git",
                "ftp://⟦jo:größe⟧@example.com",
                "http://⟦jo:pw⟧@[2001:db8::1]/",
            ],
        );
    }

    #[test]
    fn other_addresses_are_not() {
        passes(
            "basic_auth_url",
            &[
                "https://example.com:443/jo@example.com",
                "https://jo@example.com",
                "https://example.com/a:b@c",
                "https://example.com?x=a:b@c",
                "https://jo:${PASSWORD}@example.com",
                "https://jo:$PASSWORD@example.com",
                "https://{user}:{password}@example.com",
                "https://jo:****@example.com",
                "https://jo:xxxxx@example.com",
                "https://jo:@example.com",
                "git@github.com:a/b.git",
                "see http://a and mail b:c@d",
                "://a:b@c",
                "https://a:b@",
            ],
        );
    }
}
