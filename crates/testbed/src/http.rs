//! Requests over HTTP, one connection each: none is left over from a server that is gone.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// What came with it.
    pub body: String,
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When none comes, or half of one: nobody knows then whether the request was carried out.
pub fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    let headers: String = headers
        .iter()
        .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
        .collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-type: application/json;charset=utf-8\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read(&answer).ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "half an answer"))
}

fn read(answer: &[u8]) -> Option<Reply> {
    let answer = std::str::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let whole = length.1.parse() == Ok(body.len());
    let body = body.to_owned();
    whole.then_some(Reply {
        status,
        headers,
        body,
    })
}

/// For what hangs.
const LIMIT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_answer_is_none() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let reply = read(whole.as_bytes()).unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
        let length = ("content-length".to_owned(), "5".to_owned());
        assert_eq!(reply.headers, [length]);
        for end in 0..whole.len() {
            assert_eq!(read(&whole.as_bytes()[..end]), None);
        }
    }
}
