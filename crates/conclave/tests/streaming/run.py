"""What FFmpeg and aiortc see of WHIP and WHEP: each test has the program for itself."""

import asyncio
import subprocess
import sys
from pathlib import Path

from support import FRAGMENT, Session, frames, play, publish, run


async def a_publisher_is_a_participant_and_is_seen_by_a_player(server):
    token = await server.token("studio", name="Stage camera")
    publisher = await publish(server, "studio", token, colour="red", sound=True)
    people = await server.until("studio", lambda people: len(people) == 1, "one participant")
    assert people[0]["name"] == "Stage camera"
    assert people[0]["media"]["camera"] and people[0]["media"]["microphone"], people[0]
    player = await play(server, "studio")
    await frames(player.tracks["video"][0], "red", 20)
    for _ in range(50):
        await asyncio.wait_for(player.tracks["audio"][0].recv(), 10)
    assert len(await server.participants("studio")) == 1, "players are in no list"
    await player.close()
    await publisher.close()
    await server.until("studio", lambda people: not people, "it has left")


async def ffmpeg(server, *flags):
    token = await server.token("studio")
    program = [sys.executable, str(Path(__file__).with_name("ffmpeg_publisher.py"))]
    process = subprocess.Popen(
        [*program, f"{server.url}/whip/studio", token, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 20)
        assert line == "publishing\n", line
        people = await server.until("studio", lambda people: len(people) == 1, "one participant")
        assert people[0]["name"] == "Stream"
        player = await play(server, "studio")
        await frames(player.tracks["video"][0], "blue", 20)
        await asyncio.wait_for(player.tracks["audio"][0].recv(), 10)
        process.stdin.close()
        await asyncio.wait_for(asyncio.to_thread(process.wait), 10)
        assert process.returncode == 0, process.returncode
        # FFmpeg ends its session by DELETE.
        await server.until("studio", lambda people: not people, "it has left")
        await player.peer.close()
    finally:
        process.kill()


async def ffmpegs_muxer_publishes_as_dtls_client(server):
    await ffmpeg(server, "dtls_active")


async def ffmpegs_muxer_publishes_as_dtls_server(server):
    await ffmpeg(server)


async def a_player_follows_the_stage_without_another_offer(server):
    token = await server.token("studio")
    red = await publish(server, "studio", token, colour="red")
    player = await play(server, "studio", audio=0)
    await frames(player.tracks["video"][0], "red", 10)
    green = await publish(server, "studio", token, colour="green")
    await frames(player.tracks["video"][0], "red", 10)
    await red.close()
    await frames(player.tracks["video"][0], "green", 10)
    await player.close()
    await green.close()


async def a_player_may_choose_whom_it_watches(server):
    token = await server.token("studio")
    red = await publish(server, "studio", token, colour="red", sound=True, query="?name=Red")
    green = await publish(server, "studio", token, colour="green", sound=True, query="?name=Green")
    people = await server.until("studio", lambda people: len(people) == 2, "two participants")
    ids = {person["name"]: person["id"] for person in people}
    for name, colour in (("Green", "green"), ("Red", "red")):
        player = await play(server, "studio", f"?participant={ids[name]}&source=camera")
        await frames(player.tracks["video"][0], colour, 10)
        await asyncio.wait_for(player.tracks["audio"][0].recv(), 10)
        await player.close()
    await red.close()
    await green.close()


async def audio_only_publishers_and_players_are_served(server):
    token = await server.token("radio")
    publisher = await publish(server, "radio", token, sound=True)
    player = await play(server, "radio", video=0)
    for _ in range(50):
        await asyncio.wait_for(player.tracks["audio"][0].recv(), 10)
    await player.close()
    await publisher.close()


async def a_publisher_whose_network_is_gone_leaves_by_itself(server):
    token = await server.token("studio")
    publisher = await publish(server, "studio", token, colour="red")
    await server.until("studio", lambda people: len(people) == 1, "one participant")
    # No goodbye over HTTP: DTLS closes, or consent ends.
    await publisher.peer.close()
    await server.until("studio", lambda people: not people, "it has left")
    async with server.http.delete(publisher.url, headers=publisher.headers) as answer:
        assert answer.status == 404, answer.status


async def candidates_may_be_trickled(server):
    token = await server.token("studio")
    publisher = await publish(server, "studio", token, colour="red")
    fragment = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
    headers = {**publisher.headers, "content-type": FRAGMENT, "if-match": publisher.tag}
    async with server.http.patch(publisher.url, data=fragment, headers=headers) as answer:
        assert answer.status == 204 and "etag" not in answer.headers, answer.status
    player = await play(server, "studio", audio=0)
    await frames(player.tracks["video"][0], "red", 10)
    await player.close()
    await publisher.close()


TESTS = [
    a_publisher_is_a_participant_and_is_seen_by_a_player,
    ffmpegs_muxer_publishes_as_dtls_client,
    ffmpegs_muxer_publishes_as_dtls_server,
    a_player_follows_the_stage_without_another_offer,
    a_player_may_choose_whom_it_watches,
    audio_only_publishers_and_players_are_served,
    a_publisher_whose_network_is_gone_leaves_by_itself,
    candidates_may_be_trickled,
]

if __name__ == "__main__":
    sys.exit(asyncio.run(run(TESTS)))
