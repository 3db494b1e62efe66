/**
 * Names of rooms: made up so that nobody can guess one, and read from whatever a person types or
 * pastes. The rules are those of `RoomName` in crates/proto, so that what passes here is not refused
 * there.
 */
import { LIMITS } from './proto';

/** 31 letters and digits of which no two look alike (no 0/o, 1/l/i). */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const GROUPS = 4;
const GROUP_LENGTH = 5;
/** 20 characters of log2(31) bits: 99 bits. */
const CODE_LENGTH = GROUPS * GROUP_LENGTH;

/** Fills an array with random bytes; `crypto.getRandomValues` outside tests. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => void;

const systemRandom: RandomBytes = (bytes) => void crypto.getRandomValues(bytes);

/** A name that nobody can guess (99 bits), in groups that can be read aloud: `k3v9x-…`. */
export function generateRoomName(random: RandomBytes = systemRandom): string {
  // A digit tells a code that was typed without its hyphens from a word (see `regroup`).
  for (;;) {
    const code = randomCode(random);
    if (/\d/.test(code)) return group(code);
  }
}

function randomCode(random: RandomBytes): string {
  // Bytes from here on would favour the first letters of the alphabet.
  const fair = 256 - (256 % ALPHABET.length);
  const bytes = new Uint8Array(CODE_LENGTH * 2);
  let code = '';
  while (code.length < CODE_LENGTH) {
    random(bytes);
    for (const byte of bytes) {
      if (byte < fair && code.length < CODE_LENGTH) code += ALPHABET.charAt(byte % ALPHABET.length);
    }
  }
  return code;
}

function group(code: string): string {
  return code.match(new RegExp(`.{${GROUP_LENGTH}}`, 'g'))?.join('-') ?? code;
}

/** Whether a name is one that cannot be guessed, so that it may be shown shortened. */
export function isGenerated(room: string): boolean {
  const code = room.replaceAll('-', '');
  return code.length === CODE_LENGTH && room === group(code) && isCode(code);
}

function isCode(text: string): boolean {
  return /\d/.test(text) && Array.from(text).every((c) => ALPHABET.includes(c));
}

export type RoomInput =
  | { kind: 'room'; room: string }
  | { kind: 'empty' }
  /** A link, but not to a meeting. */
  | { kind: 'not-a-room' }
  /** A meeting of another server: following it is the person's decision. */
  | { kind: 'other-site'; host: string }
  | { kind: 'bad-characters' }
  | { kind: 'too-long' };

/**
 * What a person means by what was typed or pasted: a code (hyphens and case do not matter), a link
 * to a meeting of this server (`host` is `location.host`), or a name (spaces become hyphens).
 */
export function parseRoomInput(text: string, host: string): RoomInput {
  const trimmed = text.normalize('NFC').trim();
  if (trimmed === '') return { kind: 'empty' };
  if (trimmed.includes('/')) return parseLink(trimmed, host);
  const code = trimmed.replace(/[\s-]/g, '').toLowerCase();
  if (code.length === CODE_LENGTH && isCode(code)) return { kind: 'room', room: group(code) };
  return checkName(trimmed.replace(/\s+/g, '-'));
}

function parseLink(text: string, host: string): RoomInput {
  const url = parseUrl(text, host);
  if (!url || !/^https?:$/.test(url.protocol)) return { kind: 'not-a-room' };
  const room = roomOfPath(url.pathname);
  if (room === null) return { kind: 'not-a-room' };
  return url.host === host ? checkName(room) : { kind: 'other-site', host: url.host };
}

function parseUrl(text: string, host: string): URL | null {
  // `/m/x` and `m/x` are of this server; `example.org/m/x` lacks its scheme only.
  const absolute = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? text
    : /^\/?m\//.test(text)
      ? `https://${host}/${text.replace(/^\//, '')}`
      : `https://${text}`;
  return URL.canParse(absolute) ? new URL(absolute) : null;
}

/** The room that a path names (`/m/{room}`), decoded but not checked; null for every other path. */
export function roomOfPath(path: string): string | null {
  const encoded = /^\/m\/([^/]+)\/?$/.exec(path)?.[1];
  if (encoded === undefined) return null;
  try {
    return decodeURIComponent(encoded).normalize('NFC');
  } catch {
    return null; // Broken percent-encoding.
  }
}

/** Checks and normalises a name as the server does. */
export function checkName(name: string): RoomInput {
  const room = name.toLowerCase();
  if (Array.from(room).length > LIMITS.roomNameChars) return { kind: 'too-long' };
  return /^[\p{Alphabetic}\p{N}_-]+$/u.test(room) ? { kind: 'room', room } : { kind: 'bad-characters' };
}

/** Where a room is met, below this server's root. */
export function roomPath(room: string): string {
  return `/m/${encodeURIComponent(room)}`;
}
