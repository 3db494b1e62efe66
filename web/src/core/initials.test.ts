import { describe, expect, it } from 'vitest';
import { hueOf, initials } from './initials';

describe('initials', () => {
  it.each([
    ['Ada Lovelace', 'AL'],
    ['grace', 'G'],
    ['Jean-Luc de la Tour', 'JT'],
    ['王小明', '小明'],
    ['李雷', '李雷'],
    ['阿凡提·买买提', '买提'],
    ['김민준', '민준'],
    ['たなか', 'た'],
    ['Wang 小明', 'W小'],
    ['👩‍🚀 Sam', '👩‍🚀S'],
    ['   ', '?'],
    ['', '?'],
  ])('of %j are %s', (name, expected) => expect(initials(name)).toBe(expected));
});

describe('the colour of a name', () => {
  it('is always the same, and one of twelve', () => {
    expect(hueOf('Ada')).toBe(hueOf('Ada'));
    const hues = new Set(Array.from({ length: 500 }, (_, i) => hueOf(`person ${i}`)));
    expect(hues.size).toBe(12);
  });
});
