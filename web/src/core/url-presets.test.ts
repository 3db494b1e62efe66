import { describe, expect, it } from 'vitest';
import { readPresets } from './url-presets';

describe('presets in the address', () => {
  it('are what a person would choose', () => {
    expect(readPresets('?name=Ada%20L&autojoin=1&topology=mesh&transport=webrtc-tcp')).toEqual({
      name: 'Ada L',
      autojoin: true,
      topology: 'mesh',
      transport: 'webrtc-tcp',
    });
  });

  it('are ignored where they are not understood', () => {
    const nothing = { name: null, autojoin: false, topology: null, transport: null };
    expect(readPresets('')).toEqual(nothing);
    expect(readPresets('?autojoin=yes&topology=star&transport=pigeon&other=1')).toEqual(nothing);
  });
});
