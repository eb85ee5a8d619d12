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

/// Which of a process's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Passes on lines until the output ends. Never waits for a listener: a module must not stall because nobody reads.
pub(crate) async fn forward(
    output: impl AsyncRead + Unpin,
    module: Arc<str>,
    stream: LogStream,
    lines: broadcast::Sender<LogLine>,
) {
    let mut output = BufReader::with_capacity(4096, output);
    let mut line = Vec::new();
    loop {
        let ended = match output.fill_buf().await {
            Ok([]) | Err(_) => true,
            Ok(available) => {
                let room = LONGEST_LINE - line.len();
                let available = &available[..available.len().min(room)];
                let newline = available.iter().position(|&byte| byte == b'\n');
                line.extend_from_slice(&available[..newline.unwrap_or(available.len())]);
                let used = newline.map_or(available.len(), |at| at + 1);
                let complete = newline.is_some() || line.len() == LONGEST_LINE;
                output.consume(used);
                if !complete {
                    continue;
                }
                false
            }
        };
        if !(ended && line.is_empty()) {
            let text = String::from_utf8_lossy(&line);
            // Fails only while nobody listens, which is allowed.
            let _ = lines.send(LogLine {
                module: Arc::clone(&module),
                stream,
                text: text.trim_end_matches('\r').into(),
            });
        }
        if ended {
            return;
        }
        line.clear();
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
