//! The TCP side of the one port, as the program has it: connections become streams.

use std::io;
use std::net::SocketAddr;

use conclave_media::{MediaHandle, StreamKind, StreamSink, StreamSource};
use conclave_turn::demux::{StreamStart, classify_stream};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What the kernel holds for who does not read: little, so that tests need not wait.
const SEND_BUFFER: usize = 8_192;

/// Serves connections until the test ends.
pub async fn serve(listener: TcpListener, media: MediaHandle) {
    while let Ok((stream, remote)) = listener.accept().await {
        let media = media.clone();
        // Whatever fails ends the connection, which is all that the other end shall see.
        tokio::spawn(async move { connection(stream, remote, media).await });
    }
}

async fn connection(stream: TcpStream, remote: SocketAddr, media: MediaHandle) -> io::Result<()> {
    let local = stream.local_addr()?.ip();
    SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
    let (mut read, write) = stream.into_split();
    let mut begun = Vec::new();
    let kind = loop {
        if read.read_buf(&mut begun).await? == 0 {
            return Ok(());
        }
        match classify_stream(&begun) {
            StreamStart::NeedMore => {}
            StreamStart::IceTcp => break StreamKind::IceTcp,
            StreamStart::Turn => break StreamKind::Turn { tls: false },
            _ => return Ok(()),
        }
    };
    let Ok((sink, source)) = media.open_stream(kind, remote, Some(local)) else { return Ok(()) };
    tokio::select! {
        result = receive(read, begun, sink) => result,
        result = send(write, source) => result,
    }
}

async fn receive(mut read: OwnedReadHalf, begun: Vec<u8>, mut sink: StreamSink) -> io::Result<()> {
    let mut buffer = begun;
    loop {
        sink.received(&buffer).await.map_err(io::Error::other)?;
        buffer.clear();
        if read.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn send(mut write: OwnedWriteHalf, mut source: StreamSource) -> io::Result<()> {
    let mut buffer = Vec::new();
    while source.to_send(&mut buffer).await {
        write.write_all(&buffer).await?;
        buffer.clear();
    }
    Ok(())
}
