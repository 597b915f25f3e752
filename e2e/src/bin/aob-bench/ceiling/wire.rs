//! Bytes to a Redis server, and as much of its answers as says whether all went well.

use std::net::Ipv4Addr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Result;

/// A connection.
pub(super) struct Wire {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    skipped: Vec<u8>,
}

impl Wire {
    pub(super) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            line: Vec::new(),
            skipped: Vec::new(),
        })
    }

    /// Sends bytes as they are.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// One line, without its end.
    pub(super) async fn line(&mut self) -> Result<&[u8]> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line).await?;
        match self.line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line),
            None => Err("the server closed the connection".into()),
        }
    }

    /// Sends a commit and reads its answer: no verdicts, since all items were applied, and what was claimed.
    pub(super) async fn commit(&mut self, commit: &[u8]) -> Result<()> {
        self.send(commit).await?;
        for expected in ["*2", "$-1"] {
            let line = self.line().await?;
            if line != expected.as_bytes() {
                return Err(
                    format!("a commit was answered by {}", String::from_utf8_lossy(line)).into()
                );
            }
        }
        self.skip().await
    }

    /// Reads one value and forgets it.
    async fn skip(&mut self) -> Result<()> {
        let mut open: u64 = 1;
        while open > 0 {
            open -= 1;
            let line = self.line().await?;
            let number = || {
                std::str::from_utf8(&line[1..])
                    .ok()
                    .and_then(|text| text.parse::<i64>().ok())
                    .unwrap_or(-1)
            };
            match line.first() {
                Some(b'*') => open += number().max(0) as u64,
                Some(b'$') => {
                    let length = number();
                    if length >= 0 {
                        self.skipped.resize(length as usize + 2, 0);
                        self.stream.read_exact(&mut self.skipped).await?;
                    }
                }
                Some(b':' | b'+') => {}
                _ => {
                    return Err(
                        format!("the server answers {}", String::from_utf8_lossy(line)).into()
                    );
                }
            }
        }
        Ok(())
    }
}

/// A command in the protocol's form.
pub(super) fn encode<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
