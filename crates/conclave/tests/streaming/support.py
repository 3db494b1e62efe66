"""The real program, and independent WHIP and WHEP peers: FFmpeg's muxer (PyAV) and aiortc."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = os.environ.get("STREAMING_PROGRAM", str(ROOT / "target/debug/conclave"))
PATIENCE = 30
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

# As planes of YUV 4:2:0 (BT.601): told apart by their chroma, which lossy codecs keep well.
COLOURS = {"red": (81, 90, 240), "green": (145, 54, 34), "blue": (41, 240, 110), "grey": (128, 128, 128)}


class Server:
    """The program on a free port, with a data folder of its own."""

    async def __aenter__(self):
        self.data = tempfile.TemporaryDirectory(prefix="conclave-streaming-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", "--data", self.data.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # The first line is written once connections are served.
        line = await asyncio.to_thread(self.process.stdout.readline)
        if not line:
            raise RuntimeError("the program did not start")
        self.drain = asyncio.create_task(asyncio.to_thread(self.process.stdout.read))
        self.http = aiohttp.ClientSession()
        self.admin = (Path(self.data.name) / "admin-token").read_text().strip()
        return self

    async def __aexit__(self, *_):
        await self.http.close()
        self.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self.process.wait)
        self.log = await self.drain
        self.data.cleanup()

    async def token(self, room, **grants):
        body = {"room": room, **grants}
        headers = {"authorization": f"Bearer {self.admin}"}
        async with self.http.post(f"{self.url}/api/v1/tokens", json=body, headers=headers) as answer:
            return (await answer.json())["token"]

    async def participants(self, room):
        headers = {"authorization": f"Bearer {self.admin}"}
        async with self.http.get(f"{self.url}/api/v1/rooms/{room}/participants", headers=headers) as answer:
            return (await answer.json())["participants"] if answer.status == 200 else []

    async def until(self, room, wanted, what):
        """Asks who is in the room until that is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while not wanted(people := await self.participants(room)):
            assert time.monotonic() < deadline, f"{what}: {people}"
            await asyncio.sleep(0.1)
        return people


def picture(colour, size, pts, rate):
    """A frame of one colour."""
    frame = av.VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, COLOURS[colour]):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.pts = pts
    frame.time_base = rate
    return frame


def colour_of(frame):
    """The colour that a frame's middle is nearest to."""
    frame = frame.reformat(format="yuv420p")

    def middle(plane):
        row = plane.line_size * (plane.height // 2)
        return memoryview(plane)[row + plane.width // 2]

    seen = [middle(plane) for plane in frame.planes]
    distance = lambda name: sum(abs(a - b) for a, b in zip(COLOURS[name][1:], seen[1:]))
    return min(COLOURS, key=distance)


class Coloured(MediaStreamTrack):
    """A camera that shows one colour."""

    kind = "video"

    def __init__(self, colour):
        super().__init__()
        self.colour, self.count, self.start = colour, 0, None

    async def recv(self):
        from fractions import Fraction

        self.start = self.start or time.monotonic()
        await asyncio.sleep(max(0, self.start + self.count / 20 - time.monotonic()))
        frame = picture(self.colour, (320, 240), self.count * 4500, Fraction(1, 90000))
        self.count += 1
        return frame


class Session:
    """A WHIP or WHEP session of an aiortc peer."""

    def __init__(self, server, kind, room, token=None, query=""):
        self.server, self.endpoint = server, f"{server.url}/{kind}/{room}{query}"
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks, self.url, self.tag = {}, None, None
        self.peer.on("track", lambda track: self.tracks.setdefault(track.kind, []).append(track))

    async def open(self):
        await self.peer.setLocalDescription(await self.peer.createOffer())
        headers = {**self.headers, "content-type": SDP}
        offer = self.peer.localDescription.sdp
        async with self.server.http.post(self.endpoint, data=offer, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 201, f"{answer.status} {text}"
            self.url = self.server.url + answer.headers["location"]
            self.tag = answer.headers["etag"]
        await self.peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
        return self

    async def connected(self):
        deadline = time.monotonic() + PATIENCE
        while self.peer.connectionState != "connected":
            assert time.monotonic() < deadline, f"connection is {self.peer.connectionState}"
            await asyncio.sleep(0.02)
        return self

    async def close(self):
        if self.url:
            async with self.server.http.delete(self.url, headers=self.headers) as answer:
                assert answer.status == 200, answer.status
        await self.peer.close()


async def publish(server, room, token, colour=None, sound=False, query=""):
    """An aiortc publisher that is connected."""
    session = Session(server, "whip", room, token, query)
    if sound:
        session.peer.addTrack(AudioStreamTrack())
    if colour:
        session.track = Coloured(colour)
        session.peer.addTrack(session.track)
    return await (await session.open()).connected()


async def play(server, room, query="", audio=1, video=1, token=None):
    """An aiortc player that is connected."""
    session = Session(server, "whep", room, token, query)
    for kind, count in (("audio", audio), ("video", video)):
        for _ in range(count):
            session.peer.addTransceiver(kind, direction="recvonly")
    return await (await session.open()).connected()


async def frames(track, wanted, count):
    """Waits until so many frames in a row are of the colour."""
    run, last = 0, None
    deadline = time.monotonic() + PATIENCE
    while run < count:
        assert time.monotonic() < deadline, f"{wanted} expected, last seen: {last}"
        frame = await asyncio.wait_for(track.recv(), PATIENCE)
        last = colour_of(frame)
        run = run + 1 if last == wanted else 0


async def run(tests):
    """Runs every test, and says what came of it as the test runner reads it."""
    wanted = sys.argv[1:]
    passed = failed = 0
    for test in tests:
        name = test.__name__.replace("_", " ")
        if wanted and not any(re.search(word, name) for word in wanted):
            continue
        started = time.monotonic()
        try:
            async with Server() as server:
                await asyncio.wait_for(test(server), 4 * PATIENCE)
            passed += 1
            print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception as error:  # a failed test is told like any other fault
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    print(f"\n  {passed} passed\n  {failed} failed" if failed else f"\n  {passed} passed")
    return failed
