use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::broadcast;

/// A longer line is passed on in pieces of this many bytes, so that a module cannot make its runner grow.
const LONGEST_LINE: usize = 16 * 1024;

/// One line a module printed.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Who printed it.
    pub module: Arc<str>,
    /// Where.
    pub stream: LogStream,
    /// The line without its end; bytes that are not UTF-8 are replaced.
    pub text: Arc<str>,
}

/// Which of a module's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Passes on lines until the output ends.
pub(crate) async fn forward(
    output: impl AsyncRead + Unpin,
    module: Arc<str>,
    stream: LogStream,
    lines: broadcast::Sender<LogLine>,
) {
    let mut output = BufReader::with_capacity(4096, output);
    let mut cutter = LineCutter::new(module, stream, lines);
    while let Ok(available) = output.fill_buf().await {
        if available.is_empty() {
            break;
        }
        let length = available.len();
        cutter.take(available);
        output.consume(length);
    }
    cutter.end();
}

/// Cuts one output of a module into lines and passes them on. Never waits for a listener: a module must not stall because
/// nobody reads.
#[derive(Debug)]
pub(crate) struct LineCutter {
    module: Arc<str>,
    stream: LogStream,
    lines: broadcast::Sender<LogLine>,
    line: Vec<u8>,
}

impl LineCutter {
    pub(crate) fn new(
        module: Arc<str>,
        stream: LogStream,
        lines: broadcast::Sender<LogLine>,
    ) -> Self {
        Self {
            module,
            stream,
            lines,
            line: Vec::new(),
        }
    }

    /// What comes next, wherever it was cut.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = LONGEST_LINE - self.line.len();
            let available = &bytes[..bytes.len().min(room)];
            let newline = available.iter().position(|&byte| byte == b'\n');
            self.line
                .extend_from_slice(&available[..newline.unwrap_or(available.len())]);
            bytes = &bytes[newline.map_or(available.len(), |at| at + 1)..];
            if newline.is_some() || self.line.len() == LONGEST_LINE {
                self.send();
            }
        }
    }

    /// Nothing comes after it.
    pub(crate) fn end(mut self) {
        if !self.line.is_empty() {
            self.send();
        }
    }

    fn send(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        // Fails only while nobody listens, which is allowed.
        let _ = self.lines.send(LogLine {
            module: Arc::clone(&self.module),
            stream: self.stream,
            text: text.trim_end_matches('\r').into(),
        });
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<String> {
        let (sender, mut receiver) = broadcast::channel(64);
        forward(input, "m".into(), LogStream::Stdout, sender).await;
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|line| line.text.to_string())
            .collect()
    }

    #[tokio::test]
    async fn lines_are_split_and_trimmed() {
        assert_eq!(
            lines(b"one\r\n\ntwo\nrest").await,
            ["one", "", "two", "rest"]
        );
        assert_eq!(lines(b"").await, [""; 0]);
        assert_eq!(lines(b"\xff\n").await, ["\u{fffd}"]);
    }

    #[tokio::test]
    async fn an_endless_line_comes_in_pieces() {
        let pieces = lines(&vec![b'x'; LONGEST_LINE * 2 + 1]).await;
        let lengths: Vec<_> = pieces.iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST_LINE, LONGEST_LINE, 1]);
    }
}
