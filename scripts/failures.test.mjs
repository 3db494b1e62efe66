import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failures } from './failures.mjs';

const tell = (/** @type {string} */ output, most = 12) => failures([{ name: 'step', output }], most);

test('a failed test of cargo nextest is named once, with its panic', () => {
  const output = `
        PASS [   0.011s] (  5/402) conclave auth::tokens
        FAIL [   0.106s] (  6/402) conclave-sfu::conference layers::a_tile
  stderr ───

    thread 'layers::a_tile' panicked at crates/sfu/tests/layers.rs:12:5:
    assertion failed: width > 3
    note: run with \`RUST_BACKTRACE=1\`
     Summary [  29.630s] 402 tests run: 401 passed, 1 failed, 0 skipped
        FAIL [   0.106s] (  6/402) conclave-sfu::conference layers::a_tile
error: test run failed`;
  assert.deepEqual(tell(output), [
    'step: FAIL [   0.106s] (  6/402) conclave-sfu::conference layers::a_tile',
    'step: crates/sfu/tests/layers.rs:12:5 assertion failed: width > 3',
  ]);
});

test('a failed test of a browser is named with its reason', () => {
  const output = `
  ✘  1 e2e/a.spec.ts:4:1 › two people talk (3.0s)
  1) e2e/a.spec.ts:4:1 › two people talk ───────────────

    Error: no sound
        at e2e/a.spec.ts:9:3

  1 failed
    e2e/a.spec.ts:4:1 › two people talk ────`;
  assert.deepEqual(tell(output), ['step: e2e/a.spec.ts:4:1 › two people talk', 'step: Error: no sound']);
});

test('the churn run tells its faults, and how many there are', () => {
  const faults = Array.from({ length: 20 }, (_, fault) => `conclave-soak: wave ${fault}: something`);
  const told = tell(faults.join('\n'));
  assert.equal(told.length, 12);
  assert.equal(told[0], 'step: conclave-soak: wave 0: something');
  assert.equal(told[11], 'step: and 9 more');
});

test('an output that no pattern knows is told by its end', () => {
  assert.deepEqual(tell('one\ntwo\n\nthree\n', 2), ['step: two', 'step: three']);
});

test('however much fails, it stays within the lines that there are', () => {
  const step = (/** @type {number} */ number) => ({
    name: `s${number}`,
    output: 'a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n',
  });
  for (let count = 1; count < 30; count += 1) {
    const told = failures(
      Array.from({ length: count }, (_, number) => step(number)),
      12,
    );
    assert.ok(told.length > 0 && told.length <= 12, `${count} steps`);
    assert.ok(told[0]?.startsWith('s0: '));
  }
});
