//! A stream whose first bytes have been looked at: whoever reads it next gets them all the same.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::Buffer;

/// Most bytes that are looked at: the longest PROXY header, and what tells a protocol apart.
pub(super) const PREFIX_BYTES: usize = conclave_turn::proxy::LONGEST_HEADER + conclave_turn::demux::STREAM_PREFIX;

/// Below this, a read is answered from a larger one ([`Prefixed::read_ahead`]).
const SMALL_READ: usize = 16 * 1024;

/// The stream. While nothing has arrived it holds no buffer.
pub(super) struct Prefixed<S> {
    prefix: Vec<u8>,
    reads_ahead: bool,
    ahead: Option<Ahead>,
    stream: S,
}

struct Ahead {
    buffer: Buffer,
    start: usize,
    end: usize,
}

impl<S> Prefixed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { prefix: Vec::new(), reads_ahead: false, ahead: None, stream }
    }

    /// What has been looked at and not been read yet.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Takes bytes off the prefix for good.
    pub(super) fn consume(&mut self, length: usize) {
        self.prefix.drain(..length.min(self.prefix.len()));
    }

    /// From now on reads as much as there is, whatever is asked for: TLS asks for 4 KiB at a time,
    /// which is a system call for every three packets.
    pub(super) fn read_ahead(&mut self) {
        self.reads_ahead = true;
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Waits for more bytes to look at.
    ///
    /// # Errors
    /// Those of the stream; [`io::ErrorKind::UnexpectedEof`] at its end, and
    /// [`io::ErrorKind::InvalidData`] when there are [`PREFIX_BYTES`] already.
    pub(super) async fn look(&mut self) -> io::Result<()> {
        let room = PREFIX_BYTES.saturating_sub(self.prefix.len());
        if room == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        poll_fn(|context| {
            let mut bytes = [0; PREFIX_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes[..room]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.prefix.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn poll_ahead(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_none() {
            let mut fresh = Buffer::take();
            let mut large = ReadBuf::new(&mut fresh);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut large))?;
            let end = large.filled().len();
            self.ahead = (end > 0).then_some(Ahead { buffer: fresh, start: 0, end });
        }
        if let Some(ahead) = &mut self.ahead {
            let length = buffer.remaining().min(ahead.end - ahead.start);
            buffer.put_slice(&ahead.buffer[ahead.start..ahead.start + length]);
            ahead.start += length;
            if ahead.start == ahead.end {
                self.ahead = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.prefix.is_empty() {
            let length = buffer.remaining().min(this.prefix.len());
            buffer.put_slice(&this.prefix[..length]);
            this.consume(length);
            if this.prefix.is_empty() {
                this.prefix = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        if this.ahead.is_some() || (this.reads_ahead && buffer.remaining() < SMALL_READ) {
            return this.poll_ahead(context, buffer);
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_looked_at_is_read_again() {
        let (mut far, near) = duplex(64);
        let mut stream = Prefixed::new(near);
        far.write_all(b"PROXY GET").await.expect("written");
        stream.look().await.expect("bytes");
        assert_eq!(stream.prefix(), b"PROXY GET");
        stream.consume(6);
        far.write_all(b" /").await.expect("written");
        stream.look().await.expect("bytes");
        assert_eq!(stream.prefix(), b"GET /");
        far.write_all(b" HTTP").await.expect("written");
        drop(far);
        let mut all = String::new();
        stream.read_to_string(&mut all).await.expect("text");
        assert_eq!(all, "GET / HTTP");
        assert_eq!(stream.look().await.map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
    }

    #[tokio::test]
    async fn only_so_much_is_looked_at() {
        let (mut far, near) = duplex(2 * PREFIX_BYTES);
        far.write_all(&[7; 2 * PREFIX_BYTES]).await.expect("written");
        let mut stream = Prefixed::new(near);
        stream.look().await.expect("bytes");
        assert_eq!(stream.prefix().len(), PREFIX_BYTES);
        assert_eq!(stream.look().await.map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
    }

    #[tokio::test]
    async fn reading_ahead_loses_nothing_and_holds_nothing_afterwards() {
        let (mut far, near) = duplex(1 << 20);
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        far.write_all(&sent).await.expect("written");
        drop(far);
        let mut stream = Prefixed::new(near);
        stream.look().await.expect("bytes");
        stream.read_ahead();
        let mut all = Vec::new();
        let mut piece = [0; 700];
        loop {
            match stream.read(&mut piece).await.expect("read") {
                0 => break,
                length => all.extend_from_slice(&piece[..length]),
            }
        }
        assert!(all == sent);
        assert!(stream.ahead.is_none() && stream.prefix.capacity() == 0);
    }
}
