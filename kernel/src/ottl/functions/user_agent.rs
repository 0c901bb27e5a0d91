//! `UserAgent`: the program and the operating system that a `User-Agent` header names (RFC 9110, section 10.1.5).
//!
//! The Go collector asks a table of a thousand patterns. Here a short table knows browsers, command line tools and libraries,
//! and others are named by their first product.

use super::{Function, Kind, needed};
use crate::ottl::datum::{Datum, Held};
use crate::view::{Map, Value};

pub(super) static FUNCTIONS: &[Function] = &[Function::new("UserAgent", &[needed("user_agent", Kind::Text)], |args| {
    let header = args.text(0)?;
    let text = String::from_utf8_lossy(&header);
    let (name, version) = program(&text);
    let mut map = Map::default();
    let mut put = |key: &'static str, text: &str| map.upsert(key.as_bytes(), Value::text(text.as_bytes().to_vec()));
    put("user_agent.name", &name);
    put("user_agent.original", &text);
    put("user_agent.version", version);
    let (system, version) = system(&text);
    put("os.name", system);
    if let Some(version) = version.filter(|version| !version.is_empty()) {
        put("os.version", &version);
    }
    Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(map)))))
})];

/// Products and what they are called, those first that others claim to be as well.
const PRODUCTS: [(&str, &str); 18] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge Mobile"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("HeadlessChrome/", "HeadlessChrome"),
    ("FxiOS/", "Firefox iOS"),
    ("CriOS/", "Chrome Mobile iOS"),
    ("Firefox/", "Firefox"),
    ("Googlebot/", "Googlebot"),
    ("bingbot/", "bingbot"),
    ("Chrome/", "Chrome"),
    ("PostmanRuntime/", "PostmanRuntime"),
    ("python-requests/", "Python Requests"),
    ("okhttp/", "okhttp"),
    ("Go-http-client/", "Go-http-client"),
    ("Wget/", "Wget"),
    ("curl/", "curl"),
    ("MSIE ", "IE"),
];

fn program(text: &str) -> (String, &str) {
    for (product, name) in PRODUCTS {
        if let Some(at) = text.find(product) {
            let is_mobile = name == "Chrome" && text.contains("Mobile");
            let name = if is_mobile { "Chrome Mobile" } else { name };
            return (name.to_owned(), version(&text[at + product.len()..]));
        }
    }
    if let Some(at) = text.find("Version/").filter(|_| text.contains("Safari/")) {
        let name = if text.contains("Mobile/") { "Mobile Safari" } else { "Safari" };
        return (name.to_owned(), version(&text[at + "Version/".len()..]));
    }
    match text.split_once('/') {
        Some((name, rest)) if !name.is_empty() && !name.contains(' ') && name != "Mozilla" => {
            (name.to_owned(), version(rest))
        }
        _ => ("Other".to_owned(), ""),
    }
}

/// The numbers at the beginning, with their points.
fn version(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

fn system(text: &str) -> (&'static str, Option<String>) {
    let behind = |word: &str| text.find(word).map(|at| &text[at + word.len()..]);
    if let Some(rest) = behind("Windows NT ") {
        let version = match version(rest) {
            "10.0" => "10",
            "6.3" => "8.1",
            "6.2" => "8",
            "6.1" => "7",
            other => other,
        };
        return ("Windows", Some(version.to_owned()));
    }
    if let Some(rest) = behind("Android ") {
        return ("Android", Some(version(rest).to_owned()));
    }
    for word in ["iPhone OS ", "CPU OS "] {
        if let Some(rest) = behind(word) {
            return ("iOS", Some(version(&rest.replace('_', ".")).to_owned()));
        }
    }
    if let Some(rest) = behind("Mac OS X ") {
        return ("Mac OS X", Some(version(&rest.replace('_', ".")).to_owned()));
    }
    for (word, name) in [("CrOS", "Chrome OS"), ("Ubuntu", "Ubuntu"), ("Linux", "Linux")] {
        if text.contains(word) {
            return (name, None);
        }
    }
    ("Other", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_systems_are_told() {
        for (text, name, number, os, os_version) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
                "Chrome",
                "120.0.0.0",
                "Windows",
                Some("10"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
                "Safari",
                "17.1",
                "Mac OS X",
                Some("10.15.7"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
                "Firefox",
                "115.0",
                "Linux",
                None,
            ),
            ("curl/7.81.0", "curl", "7.81.0", "Other", None),
            ("my-agent/1.2 (x)", "my-agent", "1.2", "Other", None),
            ("", "Other", "", "Other", None),
        ] {
            assert_eq!(program(text), (name.to_owned(), number), "{text}");
            assert_eq!(system(text), (os, os_version.map(str::to_owned)), "{text}");
        }
    }
}
