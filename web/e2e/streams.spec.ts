/** A page of somebody else's publishes into a meeting by WHIP and plays it by WHEP. */
import { whoseColour, ada, bo } from './support/people.ts';
import { pictureOf } from './support/probe.ts';
import { expect, test } from './support/fixtures.ts';

interface Asked {
  url: string;
  token: string;
}

/** Publishes this browser's camera, in three layers, and its microphone. Runs in the page. */
async function publish({ url, token }: Asked): Promise<string> {
  const media = await navigator.mediaDevices.getUserMedia({
    audio: true,
    video: { width: 640, height: 360 },
  });
  const peer = new RTCPeerConnection();
  const [sound, picture] = [media.getAudioTracks()[0], media.getVideoTracks()[0]];
  if (sound === undefined || picture === undefined) throw new Error('no devices');
  peer.addTransceiver(sound, { direction: 'sendonly' });
  peer.addTransceiver(picture, {
    direction: 'sendonly',
    sendEncodings: [
      { rid: 'q', scaleResolutionDownBy: 4 },
      { rid: 'h', scaleResolutionDownBy: 2 },
      { rid: 'f' },
    ],
  });
  await peer.setLocalDescription();
  const headers = { 'content-type': 'application/sdp', authorization: `Bearer ${token}` };
  const answer = await fetch(url, { method: 'POST', headers, body: peer.localDescription?.sdp ?? '' });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  return new URL(answer.headers.get('location') ?? '', url).href;
}

/** Plays into a picture of its own. Runs in the page. */
async function play(url: string): Promise<string> {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('audio', { direction: 'recvonly' });
  const { receiver } = peer.addTransceiver('video', { direction: 'recvonly' });
  await peer.setLocalDescription();
  const body = peer.localDescription?.sdp ?? '';
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  const video = document.createElement('video');
  video.id = 'played';
  video.muted = true;
  video.srcObject = new MediaStream([receiver.track]);
  document.body.append(video);
  await video.play();
  return new URL(answer.headers.get('location') ?? '', url).href;
}

test('a WHIP publisher has a tile with a moving picture, and a WHEP player sees whom it asks for', async ({
  server,
  guests,
}) => {
  const [guest, studio] = [await guests.chromium(ada), await guests.chromium(bo)];
  await guest.join(server.origin, 'studio');
  const made = (await server.request('POST', '/tokens', { room: 'studio', name: bo.name })) as Asked;
  await studio.driver.goto(`${server.origin}/`);
  const session = await studio.driver.evaluate(publish, {
    url: `${server.origin}/whip/studio`,
    token: made.token,
  });
  await guest.expectTopology('sfu');
  await guest.expectTiles([ada.name, bo.name]);
  await guest.expectMovingPicture(bo);
  await guest.expectToHear([bo]);

  const { participants } = (await server.request('GET', '/rooms/studio/participants')) as {
    participants: { id: string; name: string }[];
  };
  const watched = participants.find((participant) => participant.name === ada.name);
  await studio.driver.evaluate(play, `${server.origin}/whep/studio?participant=${watched?.id}`);
  await expect
    .poll(
      async () => {
        const picture = await studio.driver.evaluate(pictureOf, '#played');
        return picture === null ? null : whoseColour(picture.colour)?.name;
      },
      { message: 'whom the player sees', timeout: 30_000 },
    )
    .toBe(ada.name);
  await guest.expectTiles([ada.name, bo.name]);

  const deleted = await studio.driver.evaluate(
    async ({ url, token }: Asked) =>
      (await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })).status,
    { url: session, token: made.token },
  );
  expect(deleted).toBe(200);
  await guest.expectTiles([ada.name]);
});
