import assert from 'node:assert/strict';
import { test } from 'node:test';

import { difference, omission, parse } from './compare.mjs';

const TEXT = `0 0 1 00000000000000ff rfc8867-5.1, gcc
0 1 1 ffffffffffffff01 rfc8867-5.1, nada
`;

test('runs are read as they are printed', () => {
  const [first, second] = parse(TEXT);
  assert.deepEqual(first, { scenario: 0, controller: 0, seed: 1, hash: 0xffn, name: 'rfc8867-5.1, gcc' });
  assert.equal(second?.hash, 0xffff_ffff_ffff_ff01n);
  assert.throws(() => parse('thread panicked'), /not a run: thread panicked/);
  assert.deepEqual(parse(''), []);
});

test('equal hashes are equal, whatever sign they come with', () => {
  const [first, second] = parse(TEXT);
  assert.ok(first && second);
  assert.equal(difference(first, 0xffn), undefined);
  assert.equal(difference(second, -0xffn), undefined);
});

test('a forged hash is noticed, be it one bit', () => {
  for (const run of parse(TEXT))
    for (let bit = 0n; bit < 64n; bit += 1n) {
      const forged = BigInt.asIntN(64, run.hash ^ (1n << bit));
      assert.match(difference(run, forged) ?? '', /natively, [\da-f]{16} in WebAssembly$/);
    }
  const [first] = parse(TEXT);
  assert.ok(first);
  assert.equal(
    difference(first, 0xfen),
    'rfc8867-5.1, gcc, seed 1: 00000000000000ff natively, 00000000000000fe in WebAssembly',
  );
});

test('a run that only one of them has is noticed', () => {
  const native = parse(TEXT);
  assert.equal(omission(native, 1, 2), undefined);
  assert.match(omission(native, 2, 2) ?? '', /scenario 1 with controller 0 is missing/);
  assert.match(omission(native, 1, 1) ?? '', /2 runs natively, 1 in WebAssembly/);
  assert.match(omission([], 0, 0) ?? '', /nothing to run/);
  const [first] = native;
  assert.ok(first);
  assert.match(difference(first, undefined) ?? '', /not run in WebAssembly/);
  assert.match(difference({ ...first, hash: 0n }, 0n) ?? '', /no such run natively/);
});
