//! From Go's dialect of regular expressions to the one behind us.
//!
//! Both dialects are linear in time and share most of their syntax, and yet a pattern means different things
//! in them: in Go `\d`, `\w`, `\s` and `\b` are ASCII, `[` and `&&` inside a class stand for themselves, so do
//! braces that count nothing, `\Q…\E` quotes, `\012` is octal. So a pattern is read by Go's rules and written
//! again with every character in a form that both read alike.
//! <https://pkg.go.dev/regexp/syntax>

use std::iter::Peekable;
use std::str::CharIndices;

/// How often something may be repeated by a count: Go refuses more.
const MAX_REPEAT: u32 = 1000;
/// The names that may stand between `[:` and `:]`.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Writes a pattern again, or says what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    Translation { pattern, chars: pattern.char_indices().peekable(), out: String::new() }.run()
}

struct Translation<'p> {
    pattern: &'p str,
    chars: Peekable<CharIndices<'p>>,
    out: String,
}

/// One member of a class: a character, which may begin a range, or a set such as `\d`.
enum Member {
    Char(char),
    Set(String),
}

impl Translation<'_> {
    fn run(mut self) -> Result<String, String> {
        // Whether something stands before that a repetition may follow, and whether it is repeated already.
        let mut repeated = false;
        while let Some((at, c)) = self.chars.next() {
            let mut is_repetition = false;
            match c {
                '\\' => self.escape(at)?,
                '[' => self.class(at)?,
                '(' => self.group(at)?,
                '*' | '+' | '?' => {
                    self.out.push(c);
                    is_repetition = true;
                }
                '{' => match self.counts(at)? {
                    Some(end) => {
                        self.out.push_str(&self.pattern[at..end]);
                        self.skip_to(end);
                        is_repetition = true;
                    }
                    None => self.literal('{'),
                },
                ')' | '|' | '.' | '^' | '$' => self.out.push(c),
                other => self.literal(other),
            }
            if is_repetition {
                if repeated {
                    return Err(format!("two repetitions in a row at `{}`", &self.pattern[at..]));
                }
                // A question mark behind a repetition makes it lazy.
                if let Some((_, '?')) = self.chars.peek() {
                    self.chars.next();
                    self.out.push('?');
                }
            }
            repeated = is_repetition;
        }
        Ok(self.out)
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
    }

    fn skip_to(&mut self, end: usize) {
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// Where `{n}`, `{n,}` or `{n,m}` that begins at `at` ends; `None` if these are plain braces.
    fn counts(&self, at: usize) -> Result<Option<usize>, String> {
        let Some(length) = self.pattern[at..].find('}') else { return Ok(None) };
        let inner = &self.pattern[at + 1..at + length];
        let (low, high) = inner.split_once(',').unwrap_or((inner, inner));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(low) || !(high.is_empty() || is_number(high)) {
            return Ok(None);
        }
        let fits = |text: &str| text.is_empty() || text.parse::<u32>().is_ok_and(|count| count <= MAX_REPEAT);
        if !fits(low) || !fits(high) {
            return Err(format!("a repetition of more than {MAX_REPEAT} at `{}`", &self.pattern[at..=at + length]));
        }
        Ok(Some(at + length + 1))
    }

    /// What stands behind an opening parenthesis: a plain group, a name, or flags.
    fn group(&mut self, at: usize) -> Result<(), String> {
        self.out.push('(');
        if self.chars.next_if(|(_, c)| *c == '?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        let rest = &self.pattern[at + 2..];
        if ["=", "!", "<=", "<!"].iter().any(|look| rest.starts_with(look)) {
            return Err(format!("look-around is not supported: `{}`", &self.pattern[at..]));
        }
        let name_length = ["P<", "<"].iter().find_map(|open| rest.starts_with(open).then(|| rest.find('>'))).flatten();
        let length = match name_length {
            Some(length) => length + 1,
            None => {
                let flags = rest.find([':', ')']).ok_or("a group without its end")?;
                if let Some(flag) = rest[..flags].chars().find(|c| !"imsU-".contains(*c)) {
                    return Err(format!("unknown group flag `{flag}` at `{}`", &self.pattern[at..]));
                }
                flags + 1
            }
        };
        self.out.push_str(&rest[..length]);
        self.skip_to(at + 2 + length);
        Ok(())
    }

    fn escape(&mut self, at: usize) -> Result<(), String> {
        let Some(&(_, c)) = self.chars.peek() else { return Err("a backslash at the end".to_owned()) };
        match c {
            'A' | 'z' => {
                self.chars.next();
                self.out.push('\\');
                self.out.push(c);
            }
            'b' | 'B' => {
                self.chars.next();
                self.out.push_str(if c == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" });
            }
            'Q' => {
                self.chars.next();
                let from = at + 2;
                let length = self.pattern[from..].find(r"\E");
                let end = length.map_or(self.pattern.len(), |length| from + length);
                for c in self.pattern[from..end].chars() {
                    push_literal(&mut self.out, c);
                }
                self.skip_to(if length.is_some() { end + 2 } else { end });
            }
            _ => match self.member_escape(at)? {
                Member::Char(c) => self.literal(c),
                Member::Set(set) => self.out.push_str(&set),
            },
        }
        Ok(())
    }

    /// An escape that may also stand in a class. The backslash is consumed already.
    fn member_escape(&mut self, at: usize) -> Result<Member, String> {
        let unknown = |this: &Self| {
            let shown: String = this.pattern[at..].chars().take(2).collect();
            format!("unknown escape `{shown}`")
        };
        let Some((_, c)) = self.chars.next() else { return Err("a backslash at the end".to_owned()) };
        let set = match c {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            's' => r"[\t\n\x0C\r ]",
            'S' => r"[^\t\n\x0C\r ]",
            'p' | 'P' => return self.unicode_class(at, c == 'P').map(Member::Set),
            'a' => return Ok(Member::Char('\x07')),
            'f' => return Ok(Member::Char('\x0c')),
            't' => return Ok(Member::Char('\t')),
            'n' => return Ok(Member::Char('\n')),
            'r' => return Ok(Member::Char('\r')),
            'v' => return Ok(Member::Char('\x0b')),
            'x' => return self.hexadecimal(at).map(Member::Char),
            '0'..='7' => {
                let mut value = c as u32 - '0' as u32;
                let mut digits = 1;
                while let Some((_, digit)) =
                    if digits < 3 { self.chars.next_if(|(_, c)| ('0'..='7').contains(c)) } else { None }
                {
                    value = value * 8 + (digit as u32 - '0' as u32);
                    digits += 1;
                }
                if c != '0' && digits == 1 {
                    return Err(format!("back-references are not supported: `\\{c}`"));
                }
                return char::from_u32(value).map(Member::Char).ok_or_else(|| unknown(self));
            }
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => return Ok(Member::Char(c)),
            _ => return Err(unknown(self)),
        };
        Ok(Member::Set(set.to_owned()))
    }

    /// `\x7F` or `\x{10FFFF}`.
    fn hexadecimal(&mut self, at: usize) -> Result<char, String> {
        let rest = &self.pattern[at + 2..];
        let (digits, length) = match rest.strip_prefix('{') {
            Some(inner) => match inner.find('}') {
                Some(length) => (&inner[..length], length + 2),
                None => ("", 0),
            },
            None => (rest.get(..2).unwrap_or(""), 2),
        };
        let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = if is_hex { u32::from_str_radix(digits, 16).ok() } else { None };
        let value = value.and_then(char::from_u32).ok_or("invalid escape behind `\\x`")?;
        self.skip_to(at + 2 + length);
        Ok(value)
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`.
    fn unicode_class(&mut self, at: usize, negated: bool) -> Result<String, String> {
        let rest = &self.pattern[at + 2..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(inner) => {
                let length = inner.find('}').ok_or("no `}` behind `\\p{`")?;
                (&inner[..length], length + 2)
            }
            None => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                (&rest[..length], length)
            }
        };
        let (name, negated) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("unknown character class {name:?}"));
        }
        self.skip_to(at + 2 + length);
        Ok(format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    fn class(&mut self, at: usize) -> Result<(), String> {
        let missing = format!("no `]` for `{}`", &self.pattern[at..]);
        self.out.push('[');
        if self.chars.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some((at, c)) = self.chars.next() else { return Err(missing) };
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if c == '['
                && self.pattern[at..].starts_with("[:")
                && let Some(length) = self.pattern[at + 2..].find(":]")
            {
                let end = at + 2 + length + 2;
                let name = self.pattern[at + 2..at + 2 + length].trim_start_matches('^');
                if !POSIX.contains(&name) {
                    return Err(format!("unknown character class `{}`", &self.pattern[at..end]));
                }
                self.out.push_str(&self.pattern[at..end]);
                self.skip_to(end);
                continue;
            }
            let low = match if c == '\\' { self.member_escape(at)? } else { Member::Char(c) } {
                Member::Char(c) => c,
                Member::Set(set) => {
                    self.out.push_str(&set);
                    continue;
                }
            };
            push_literal(&mut self.out, low);
            let is_range = self.chars.peek().is_some_and(|(at, c)| {
                *c == '-' && !self.pattern[at + 1..].starts_with(']') && at + 1 < self.pattern.len()
            });
            if !is_range {
                continue;
            }
            self.chars.next();
            let Some((at, c)) = self.chars.next() else { return Err(missing) };
            let Member::Char(high) = (if c == '\\' { self.member_escape(at)? } else { Member::Char(c) }) else {
                return Err(format!("a set cannot end a range: `{low}-{}`", &self.pattern[at..]));
            };
            if high < low {
                return Err(format!("the range `{low}-{high}` runs backwards"));
            }
            self.out.push('-');
            push_literal(&mut self.out, high);
        }
    }
}

/// Writes a character so that it stands for itself, wherever it is.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() && c != ' ' && c != '_' {
        out.push_str(&format!("\\x{:02X}", c as u32));
    } else {
        out.push(c);
    }
}
