import { describe, expect, it } from 'vitest';
import { classifyError, pageProblem } from './problem';

describe('what getUserMedia throws', () => {
  it.each([
    ['NotAllowedError', 'refused'],
    ['SecurityError', 'refused'],
    ['NotFoundError', 'missing'],
    ['OverconstrainedError', 'missing'],
    ['NotReadableError', 'busy'],
    ['AbortError', 'busy'],
    ['NotSupportedError', 'unsupported'],
    ['InvalidStateError', 'failed'],
  ])('%s means %s', (name, problem) => expect(classifyError(new DOMException('', name))).toBe(problem));

  it('is never a reason to fail, whatever it is', () => {
    for (const error of [
      undefined,
      null,
      'text',
      new TypeError('no constraints'),
      { name: 'NotFoundError' },
    ]) {
      expect(classifyError(error)).toBe('failed');
    }
  });
});

describe('a page without devices', () => {
  it('is insecure, or in a browser that has none', () => {
    expect(pageProblem({ secure: false, mediaDevices: undefined })).toBe('insecure');
    expect(pageProblem({ secure: true, mediaDevices: undefined })).toBe('unsupported');
    expect(pageProblem({ secure: true, mediaDevices: {} })).toBeNull();
  });
});
