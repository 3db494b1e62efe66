/** Files that Chromium's fake camera and microphone play, in a loop: no recording is kept in the repository. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { targetDirectory } from './paths.ts';
import { toYuv, type Person } from './people.ts';

/** One pass of the bar across the picture. */
const FRAMES = 24;
/** So bright that the bar shows which frame it is, so little that the hue stays. */
const BAR_LUMA = 45;
/** Most that a point differs from what it would be. */
const GRAIN = 16;

const SAMPLE_RATE = 48_000;
const SECONDS = 4;
/** Syllables a second: steady tones are taken for noise and suppressed. */
const SYLLABLES = 4;

export interface FakeDevices {
  readonly camera: string;
  readonly microphone: string;
}

/**
 * What the camera sees: flat colours, which cost next to nothing to send, or a grain that changes with every
 * frame, of which an encoder sends as much as the network takes. A wide one is flat, and large
 * enough for three layers; a small one is flat, and for many browsers on one machine.
 */
export type Scene = 'flat' | 'grainy' | 'wide' | 'small';

interface Format {
  width: number;
  height: number;
  framesPerSecond: number;
}

const FORMATS: Record<Scene, Format> = {
  flat: { width: 640, height: 360, framesPerSecond: 15 },
  grainy: { width: 640, height: 360, framesPerSecond: 15 },
  wide: { width: 960, height: 540, framesPerSecond: 15 },
  small: { width: 320, height: 180, framesPerSecond: 8 },
};

export function fakeDevices(person: Person, scene: Scene = 'flat'): FakeDevices {
  const folder = join(targetDirectory, 'e2e', 'devices');
  mkdirSync(folder, { recursive: true });
  const stem = join(folder, String(person.voiceHz));
  return {
    camera: written(`${stem}${scene === 'flat' ? '' : `-${scene}`}.y4m`, () => video(person, scene)),
    microphone: written(`${stem}.wav`, () => voice(person)),
  };
}

function written(path: string, content: () => Buffer): string {
  if (!existsSync(path)) {
    // Whole or not at all, also when a run is interrupted.
    writeFileSync(`${path}.part`, content());
    renameSync(`${path}.part`, path);
  }
  return path;
}

/** YUV4MPEG2, 4:2:0: the person's colour, and a brighter bar that moves from left to right. */
function video(person: Person, scene: Scene): Buffer {
  const { width, height, framesPerSecond } = FORMATS[scene];
  // Video range: 16 to 235.
  const [y, cb, cr] = toYuv(person.colour).map((value, plane) =>
    Math.round(plane === 0 ? 16 + (value * 219) / 255 : 128 + ((value - 128) * 224) / 255),
  ) as [number, number, number];
  const chroma = Buffer.concat([
    Buffer.alloc((width * height) / 4, cb),
    Buffer.alloc((width * height) / 4, cr),
  ]);
  const parts = [Buffer.from(`YUV4MPEG2 W${width} H${height} F${framesPerSecond}:1 Ip A1:1 C420mpeg2\n`)];
  const barWidth = width / 8;
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const row = Buffer.alloc(width, y);
    const start = Math.round(((width - barWidth) * frame) / (FRAMES - 1));
    row.fill(Math.min(235, y + BAR_LUMA), start, start + barWidth);
    const luma = Buffer.concat(Array.from({ length: height }, () => row));
    if (scene === 'grainy') roughen(luma, frame);
    parts.push(Buffer.from('FRAME\n'), luma, chroma);
  }
  return Buffer.concat(parts);
}

/** Adds noise without a mean, so that colour and bar stay what they are; the same in every run. */
function roughen(luma: Buffer, seed: number): void {
  // Marsaglia's xorshift.
  let state = seed + 1;
  for (let i = 0; i < luma.length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    luma[i] = Math.min(235, Math.max(16, (luma[i] ?? 0) + (state % GRAIN)));
  }
}

/** 16-bit mono WAV of something like speech: harmonics of the person's pitch, in syllables. */
function voice(person: Person): Buffer {
  const samples = SAMPLE_RATE * SECONDS;
  const data = Buffer.alloc(samples * 2);
  for (let i = 0; i < samples; i += 1) {
    const t = i / SAMPLE_RATE;
    const syllable = Math.max(0, Math.sin(2 * Math.PI * SYLLABLES * t)) ** 0.6;
    // A glide within each syllable, as voices have.
    const pitch = person.voiceHz * t + 0.6 * Math.sin(2 * Math.PI * SYLLABLES * t);
    let value = 0;
    for (let harmonic = 1; harmonic <= 6; harmonic += 1)
      value += Math.sin(2 * Math.PI * harmonic * pitch) / harmonic;
    data.writeInt16LE(Math.round(9_000 * syllable * value * 0.5), i * 2);
  }
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLE_RATE, 24);
  header.writeUInt32LE(SAMPLE_RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}
