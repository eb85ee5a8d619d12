//! A client's stream with its buffers.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::poll_read_buf;

use crate::wire::{self, Connect, Packet, Reader};

/// A peer that takes nothing for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// A peer that was told goodbye has this long to say so too.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
const GONE: &str = "the client closed the connection without DISCONNECT";
const SMALL_READ: usize = 512;
const LARGE_READ: usize = 64 << 10;

pub(crate) struct Link<S> {
    stream: S,
    pub(crate) reader: Reader,
    pub(crate) inbox: BytesMut,
    /// What [`Link::flush`] writes.
    pub(crate) out: BytesMut,
    /// How much room the next read gets: grows with bursts, shrinks with silence.
    read: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            reader: Reader::new(),
            inbox: BytesMut::new(),
            out: BytesMut::new(),
            read: SMALL_READ,
        }
    }

    pub(crate) async fn read_connect(&mut self) -> Result<Connect, String> {
        // Told by its first byte, a client of another protocol need not be waited for. The reader may take that byte
        // before the packet is whole, so it is looked at once.
        self.read().await?;
        if self.inbox.first() != Some(&wire::CONNECT) {
            return Err("the first packet is not CONNECT".to_owned());
        }
        loop {
            match self.reader.next(&mut self.inbox) {
                Ok(Some(Packet::Connect(connect))) => return Ok(*connect),
                Ok(Some(_)) => return Err("the first packet is not CONNECT".to_owned()),
                Ok(None) => self.read().await?,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Reads once. While nothing comes, an empty buffer is given back: idle connections are the many.
    pub(crate) async fn read(&mut self) -> Result<(), String> {
        let count = poll_fn(|context| {
            self.inbox.reserve(self.read);
            let polled = poll_read_buf(Pin::new(&mut self.stream), context, &mut self.inbox);
            if polled.is_pending() && self.inbox.is_empty() {
                self.inbox = BytesMut::new();
            }
            polled
        })
        .await
        .map_err(|error| lost(&error))?;
        if count == 0 {
            return Err(GONE.to_owned());
        }
        if count >= self.read {
            self.read = (self.read * 4).min(LARGE_READ);
        } else if count < self.read / 8 {
            self.read = (self.read / 2).max(SMALL_READ);
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), String> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_WITHIN, async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        })
        .await;
        self.out = BytesMut::new();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err("the client takes no data".to_owned()),
        }
    }

    /// Says goodbye, and takes in what is still under way until the peer has closed too. Closing over unread bytes
    /// resets the connection, which takes back what was written last, and some clients' loops die of writing to it.
    pub(crate) async fn close(&mut self) {
        let goodbye = async {
            self.stream.shutdown().await?;
            loop {
                self.inbox.clear();
                if self.stream.read_buf(&mut self.inbox).await? == 0 {
                    return std::io::Result::Ok(());
                }
            }
        };
        // Whether it was heard matters to nobody any more.
        let _ = timeout(CLOSE_WITHIN, goodbye).await;
    }
}

/// Says how a connection was lost. An end without TLS's goodbye is the most common way, and no error of anybody's.
fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => GONE.to_owned(),
        _ => error.to_string(),
    }
}
