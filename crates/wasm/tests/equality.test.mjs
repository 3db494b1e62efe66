// Natively and in WebAssembly, the controllers decide the same: every scenario of the simulator with every controller has
// the same hash in both builds.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { difference, omission, parse } from './compare.mjs';
import { hashes, instantiate } from './module.mjs';

const root = resolve(fileURLToPath(import.meta.url), '../../../..');
const target = resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
const SEED = '1';

const build = ['--locked', '--release', '-p', 'conclave-wasm'];
run('cargo', ['build', ...build, '--examples']);
run('scripts/wasm.sh', ['build', ...build, '--lib']);

const native = parse(
  execFileSync(resolve(target, 'release/examples/hashes'), [SEED], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }),
);
const module = new WebAssembly.Module(
  readFileSync(resolve(target, 'wasm32-unknown-unknown/release/conclave_wasm.wasm')),
);
const found = await hashes(module, native);

test('both builds have the same runs, and the module needs nothing from outside', () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const { scenario_count: scenarios, controller_count: controllers } = instantiate(module);
  const told = omission(native, scenarios(), controllers());
  assert.ok(told === undefined, told);
});

for (const run of native)
  test(run.name, () => {
    const told = difference(run, found.get(run));
    assert.ok(told === undefined, told);
  });

test('another seed has another hash, so that the hash is of what happened', () => {
  const [first] = native;
  assert.ok(first);
  const other = instantiate(module).run_hash(first.scenario, first.controller, Number(SEED) + 1);
  assert.notEqual(difference(first, other), undefined);
});

for (const seed of [1, 2]) {
  test(`what is heard and shown of a call, seed ${seed}`, () => {
    same('playout', seed, instantiate(module).playout_hash(seed));
  });
  test(`what is sent of a call over each kind of bearer, seed ${seed}`, () => {
    same('bearer', seed, instantiate(module).bearer_hash(seed));
  });
}

/** The example of this name prints the same hash natively. */
function same(/** @type {string} */ name, /** @type {number} */ seed, /** @type {bigint} */ hash) {
  const example = resolve(target, `release/examples/${name}`);
  const [call] = parse(`0 0 ${seed} ${execFileSync(example, [`${seed}`], { encoding: 'utf8' }).trim()} call`);
  assert.ok(call);
  const told = difference(call, hash);
  assert.ok(told === undefined, told);
}

function run(/** @type {string} */ command, /** @type {string[]} */ args) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}
