//! Through a proxy: `CONNECT` opens a tunnel, behind which everything is as without one. RFC 9110, section 9.3.6.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::stream::Duplex;
use super::settings::Tunnel;

/// Of a proxy's answer.
const MAX_HEAD: usize = 16 * 1024;

/// Asks a proxy, to which there is a connection, for one to the server.
pub async fn open(io: &mut dyn Duplex, tunnel: &Tunnel) -> Result<(), String> {
    let Tunnel { authority, authorization } = tunnel;
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(credentials) = authorization {
        request.push_str(&format!("Proxy-Authorization: {credentials}\r\n"));
    }
    request.push_str("\r\n");
    let failed = |error: std::io::Error| format!("the proxy broke off: {}", super::failure::describe(&error));
    io.write_all(request.as_bytes()).await.map_err(failed)?;
    io.flush().await.map_err(failed)?;
    let mut head = Vec::new();
    // Not a byte too far: behind the head the server speaks.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err("the proxy's answer has no end".to_owned());
        }
        head.push(io.read_u8().await.map_err(failed)?);
    }
    let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    match status(&line) {
        Some(200..=299) => Ok(()),
        Some(status) => Err(format!("the proxy opens no way to {authority}: it answers {status}")),
        None => Err(format!("what was to be a proxy answers {line:?}")),
    }
}

fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.")?.get(1..)?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    async fn ask(answer: &str, credentials: Option<&str>) -> (String, Result<(), String>, String) {
        let (mut ours, mut theirs) = duplex(64 * 1024);
        theirs.write_all(answer.as_bytes()).await.unwrap();
        let tunnel = Tunnel { authority: "backend:4317".into(), authorization: credentials.map(str::to_owned) };
        let opened = open(&mut ours, &tunnel).await;
        let mut rest = vec![0; 100];
        let behind = tokio::time::timeout(std::time::Duration::from_millis(10), ours.read(&mut rest)).await;
        let mut asked = vec![0; 1000];
        let count = theirs.read(&mut asked).await.unwrap();
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        (text(&asked[..count]), opened, text(&rest[..behind.map_or(0, Result::unwrap)]))
    }

    #[tokio::test]
    async fn what_follows_the_head_is_the_servers() {
        let (asked, opened, behind) = ask("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nhello", None).await;
        assert_eq!(asked, "CONNECT backend:4317 HTTP/1.1\r\nHost: backend:4317\r\n\r\n");
        assert_eq!((opened, behind.as_str()), (Ok(()), "hello"));
    }

    #[tokio::test]
    async fn a_proxy_may_want_to_know_who_asks() {
        let (asked, _, _) = ask("HTTP/1.0 200\r\n\r\n", Some("Basic eA==")).await;
        assert!(asked.ends_with("\r\nProxy-Authorization: Basic eA==\r\n\r\n"));
    }

    #[tokio::test]
    async fn a_proxy_may_refuse() {
        for (answer, problem) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "opens no way to backend:4317: it answers 407"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "what was to be a proxy answers \"SSH-2.0-OpenSSH\""),
            ("HTTP/1.1 \r\n\r\n", "what was to be a proxy"),
        ] {
            let (_, opened, _) = ask(answer, None).await;
            assert!(opened.unwrap_err().contains(problem), "{answer:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(5000));
        assert_eq!(ask(&endless, None).await.1, Err("the proxy's answer has no end".to_owned()));
    }
}
