//! Connections that carry media: bytes between a socket and the media plane.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use conclave_media::{StreamError, StreamKind, StreamSink, StreamSource};
use futures_util::FutureExt;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::accept::{close, dropped};
use super::buffers::Buffer;
use super::proof;
use super::waiting::Place;

/// What the kernel holds for a peer beyond what is in flight. Media that cannot be sent now is of no
/// use later: it waits in the media plane, which drops it.
const UNSENT_BYTES: u32 = 24 * 1024;
/// For what is still to be sent when nothing more is received: a peer that has closed its side may
/// wait for the answer to its last request.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// From the program's end to that of a connection.
const STOPPING: Duration = Duration::from_secs(1);
/// What a connection that has nothing to send keeps of the room that its last packets took.
const IDLE_BYTES: usize = 8 * 1024;

/// Prepares the socket below.
pub(super) fn configure(stream: &TcpStream) {
    // Where the system does not know the option, old media waits there.
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// Why one direction ended.
enum End {
    /// The peer sends nothing more.
    Finished,
    /// The peer sent what no packet can begin with.
    Malformed,
    /// The media plane has no use for the connection any more.
    Unwanted,
    /// The connection is broken.
    Broken,
}

/// Carries bytes both ways until one side has had enough or the program stops. `place` is given back
/// when the peer has proved itself.
pub(super) async fn pump<S>(
    stream: S,
    kind: StreamKind,
    plane: (StreamSink, StreamSource),
    place: Place,
    stop: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = plane;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let end = {
        let mut sending = pin!(send(&mut writer, &mut source, kind, place));
        let stopped = async {
            stop.cancelled().await;
            // Pages are told first, and the media plane has words of its own to say.
            tokio::time::sleep(STOPPING).await;
        };
        tokio::select! {
            end = receive(&mut reader, &mut sink) => match end {
                // What was answered before is still on its way.
                End::Finished | End::Unwanted => timeout(LAST_WORDS, sending).await.unwrap_or(end),
                end => end,
            },
            end = &mut sending => end,
            () = stopped => End::Unwanted,
        }
    };
    drop((sink, source));
    if matches!(end, End::Malformed) {
        dropped("malformed");
    }
    if !matches!(end, End::Broken) {
        close(reader.unsplit(writer)).await;
    }
}

async fn receive(reader: &mut (impl AsyncRead + Unpin), sink: &mut StreamSink) -> End {
    loop {
        let (buffer, length) = match poll_fn(|context| poll_batch(Pin::new(&mut *reader), context)).await {
            Ok((_, 0)) => return End::Finished,
            Ok(read) => read,
            Err(_) => return End::Broken,
        };
        match sink.received(&buffer[..length]).await {
            Ok(()) => {}
            Err(StreamError::Malformed) => return End::Malformed,
            Err(StreamError::Closed) => return End::Unwanted,
        }
    }
}

/// All that has arrived, up to a buffer full: the media plane is woken once for many packets. No
/// buffer is held while nothing arrives.
fn poll_batch(mut reader: Pin<&mut impl AsyncRead>, context: &mut Context<'_>) -> Poll<io::Result<(Buffer, usize)>> {
    let mut buffer = Buffer::take();
    let mut bytes = ReadBuf::new(&mut buffer);
    ready!(reader.as_mut().poll_read(context, &mut bytes))?;
    let mut length = bytes.filled().len();
    // TLS gives a few records at a time.
    while length > 0 && bytes.remaining() > 0 {
        match reader.as_mut().poll_read(context, &mut bytes) {
            Poll::Ready(Ok(())) if bytes.filled().len() > length => length = bytes.filled().len(),
            // After an error as well, the next call finds the connection at its end.
            _ => break,
        }
    }
    Poll::Ready(Ok((buffer, length)))
}

async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    source: &mut StreamSource,
    kind: StreamKind,
    place: Place,
) -> End {
    let mut place = Some(place);
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let goes_on = match source.to_send(&mut batch).now_or_never() {
            Some(goes_on) => goes_on,
            None => {
                batch.shrink_to(IDLE_BYTES);
                source.to_send(&mut batch).await
            }
        };
        if place.is_some() && proof::is_given(kind, &batch) {
            place = None;
        }
        let written = async {
            writer.write_all(&batch).await?;
            // TLS would keep what the socket does not take, and media would grow old there.
            writer.flush().await
        };
        if written.await.is_err() {
            return End::Broken;
        }
        if !goes_on {
            return End::Unwanted;
        }
    }
}
