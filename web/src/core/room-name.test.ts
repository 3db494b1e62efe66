import { describe, expect, it } from 'vitest';
import { LIMITS } from './proto';
import { checkName, generateRoomName, isGenerated, parseRoomInput, roomOfPath, roomPath } from './room-name';

const HOST = 'meet.example:8443';
const parse = (text: string) => parseRoomInput(text, HOST);
const room = (name: string) => ({ kind: 'room', room: name });

describe('a generated name', () => {
  it('has four groups of five unmistakable characters', () => {
    for (let i = 0; i < 200; i++) {
      expect(generateRoomName()).toMatch(/^[abcdefghjkmnp-z2-9]{5}(-[abcdefghjkmnp-z2-9]{5}){3}$/);
    }
  });

  it('holds at least 96 bits: every character is equally likely', () => {
    const counts = new Map<string, number>();
    const names = Array.from({ length: 4_000 }, () => generateRoomName());
    for (const character of names.join('').replaceAll('-', '')) {
      counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    expect(counts.size).toBe(31);
    expect(20 * Math.log2(counts.size)).toBeGreaterThan(96);
    const expected = (4_000 * 20) / 31;
    for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(expected * 0.15);
  });

  it('skips the bytes that would make some characters likelier', () => {
    let next = 255;
    const random = (bytes: Uint8Array) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = next--;
    };
    // 255 to 248 are left out: the first character is the last of the alphabet.
    expect(generateRoomName(random).startsWith('9')).toBe(true);
  });

  it('is recognised, and a chosen name is not', () => {
    expect(isGenerated(generateRoomName())).toBe(true);
    expect(isGenerated('design-review')).toBe(false);
  });

  it('is a name that the server takes', () => {
    const name = generateRoomName();
    expect(checkName(name)).toEqual(room(name));
  });
});

describe('what a person types', () => {
  it.each([
    ['', { kind: 'empty' }],
    ['   ', { kind: 'empty' }],
    ['Team Sync', room('team-sync')],
    ['周会', room('周会')],
    ['  Retro_2 ', room('retro_2')],
    ['what?', { kind: 'bad-characters' }],
    ['🎉', { kind: 'bad-characters' }],
    ['a'.repeat(LIMITS.roomNameChars), room('a'.repeat(LIMITS.roomNameChars))],
    ['a'.repeat(LIMITS.roomNameChars + 1), { kind: 'too-long' }],
  ])('%j is read as %j', (text, expected) => expect(parse(text)).toEqual(expected));

  it('may be a code without its hyphens, with spaces or in capitals', () => {
    for (const text of ['k3v9x7pqrmaab2czz9tn', 'K3V9X 7PQRM AAB2C ZZ9TN', 'k3v9x-7pqrm-aab2c-zz9tn']) {
      expect(parse(text)).toEqual(room('k3v9x-7pqrm-aab2c-zz9tn'));
    }
  });

  it('leaves twenty letters that are a word as they are', () => {
    expect(parse('abcdeabcdeabcdeabcde')).toEqual(room('abcdeabcdeabcdeabcde'));
  });

  it.each([
    [`https://${HOST}/m/team-sync`, room('team-sync')],
    [`http://${HOST}/m/team-sync/?name=Ada#x`, room('team-sync')],
    [`${HOST}/m/Team-Sync`, room('team-sync')],
    ['/m/team-sync', room('team-sync')],
    ['m/team-sync', room('team-sync')],
    [`https://${HOST}/m/%E5%91%A8%E4%BC%9A`, room('周会')],
    ['https://other.example/m/x', { kind: 'other-site', host: 'other.example' }],
    [`https://${HOST}/admin`, { kind: 'not-a-room' }],
    [`https://${HOST}/m/%ff`, { kind: 'not-a-room' }],
    ['javascript://x/m/y', { kind: 'not-a-room' }],
    ['https://', { kind: 'not-a-room' }],
    [`https://${HOST}/m/a%20b`, { kind: 'bad-characters' }],
  ])('a link %s is read as %j', (text, expected) => expect(parse(text)).toEqual(expected));

  it('is one room however the browser composed its characters', () => {
    expect(parse('cafe\u0301')).toEqual(parse('caf\u00e9'));
  });
});

describe('the path of a room', () => {
  it.each(['team-sync', '周会', 'a_b'])('leads back to %s', (name) =>
    expect(roomOfPath(roomPath(name))).toBe(name),
  );

  it.each(['/', '/m', '/m/', '/m/a/b', '/x/m/a'])('is not %s', (path) => expect(roomOfPath(path)).toBeNull());
});
