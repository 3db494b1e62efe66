import { describe, expect, it } from 'vitest';
import { parsePreview } from './preview';

describe('who is inside, before joining', () => {
  it('is how many there are, and the names of the first', () => {
    const participants = [{ name: 'Ada' }, { name: 'Bo' }];
    expect(parsePreview({ participants, count: 2, locked: false, full: true })).toEqual({
      names: ['Ada', 'Bo'],
      count: 2,
      locked: false,
      full: true,
    });
    const many = Array.from({ length: 20 }, (_, index) => ({ name: `P${index}` }));
    expect(parsePreview({ participants: many, count: 3_000 })).toMatchObject({ count: 3_000 });
    expect(parsePreview({ participants: many, count: 3_000 })?.names).toHaveLength(8);
  });

  it('is never more names than people, and nothing of what is no answer', () => {
    expect(parsePreview({ participants: [{ name: 'Ada' }, { name: 7 }, null], count: 'many' })?.count).toBe(
      1,
    );
    expect(parsePreview({ participants: 'Ada' })).toBeNull();
    expect(parsePreview(null)).toBeNull();
  });
});
