// Runs every test of the project, one step after the other, and ends with one line: `N passed, N failed`.
// `make test STEPS="clippy e2e"` runs only the steps named. What a step printed stays in target/test-logs.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { failures } from './failures.mjs';

const root = resolve(fileURLToPath(import.meta.url), '../..');
const logs = resolve(root, 'target/test-logs');
const minute = 60_000;

/** Lines that tell of what failed: with the table and the total, they are what CI keeps of its output. */
const MOST_TOLD = 11;
/** Steps in one line of the table. */
const IN_LINE = 3;

/** @typedef {{ passed: number, failed: number }} Count */

/** A step that is one check: it counts as one. */
const asOne = (/** @type {string} */ _output, /** @type {boolean} */ ok) => ({
  passed: Number(ok),
  failed: Number(!ok),
});

/** Sums the numbers of every match; a command that failed without naming a failed test is itself one. */
function countBy(/** @type {RegExp} */ passed, /** @type {RegExp} */ failed, least = 1) {
  const sum = (/** @type {string} */ text, /** @type {RegExp} */ pattern) =>
    [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
  return (/** @type {string} */ output, /** @type {boolean} */ ok) => {
    const count = { passed: sum(output, passed), failed: sum(output, failed) };
    // A runner that found nothing to run has tested nothing.
    if ((!ok && count.failed === 0) || (ok && count.passed < least)) count.failed += 1;
    return count;
  };
}

const byCargo = countBy(/^test result: \w+\. (\d+) passed/gm, /^test result: \w+\. \d+ passed; (\d+) failed/gm);
const byDocTest = countBy(/^test result: \w+\. (\d+) passed/gm, /^test result: \w+\. \d+ passed; (\d+) failed/gm, 0);
const byNextest = countBy(/^\s+Summary .*? (\d+) passed/gm, /^\s+Summary .*? (\d+) (?:failed|timed out)/gm);
const byVitest = countBy(/^\s+Tests\s.*?(\d+) passed/gm, /^\s+Tests\s+(\d+) failed/gm);
const byNode = countBy(/^# pass (\d+)/gm, /^# fail (\d+)/gm);
const byPlaywright = countBy(/^\s+(\d+) passed/gm, /^\s+(\d+) (?:failed|flaky|interrupted|did not run)/gm);

const nextest = await succeeds('cargo', ['nextest', '--version']);

/**
 * In the order in which they run: what is quick and fails often comes first.
 * @type {{ name: string, says: string, run: string[], minutes: number, count?: (output: string, ok: boolean) => Count,
 *   env?: Record<string, string>, unavailable?: RegExp }[]}
 */
const steps = [
  { name: 'fmt', says: 'Rust is formatted', run: ['make', '--no-print-directory', 'fmt-check'], minutes: 2 },
  {
    name: 'shellcheck',
    says: 'scripts are sound',
    run: ['shellcheck', '.ci/run', ...shellScripts()],
    minutes: 2,
  },
  {
    name: 'scripts',
    says: 'what failed is told in a few lines, and two builds are compared to the bit',
    run: [
      ...['node', '--test', '--test-reporter=tap'],
      ...['scripts/failures.test.mjs', 'crates/wasm/tests/compare.test.mjs'],
    ],
    minutes: 1,
    count: byNode,
  },
  {
    name: 'lint',
    says: 'the page: eslint and prettier',
    run: ['npm', '--prefix', 'web', 'run', 'lint'],
    minutes: 5,
  },
  { name: 'types', says: 'the page: types', run: ['npm', '--prefix', 'web', 'run', 'check'], minutes: 5 },
  {
    name: 'vitest',
    says: 'the page: unit tests',
    run: ['npm', '--prefix', 'web', 'run', 'test'],
    minutes: 10,
    count: byVitest,
  },
  { name: 'page', says: 'the page builds', run: ['make', '--no-print-directory', 'page'], minutes: 5 },
  { name: 'size', says: 'the page is small', run: ['node', 'web/scripts/check-size.mjs'], minutes: 1 },
  {
    name: 'clippy',
    says: 'Rust is without a warning',
    run: ['cargo', 'clippy', '--locked', '--workspace', '--all-targets', '--', '-D', 'warnings'],
    minutes: 25,
  },
  {
    name: 'sans-io',
    says: 'the cores depend on no runtime and no socket',
    run: ['scripts/sans-io.sh'],
    minutes: 1,
  },
  {
    name: 'cargo',
    says: 'Rust: unit, property and integration tests, and the inputs that fuzzing found',
    run: nextest
      ? ['cargo', 'nextest', 'run', '--locked', '--workspace', '--no-fail-fast']
      : ['cargo', 'test', '--locked', '--workspace', '--no-fail-fast', '--lib', '--bins', '--tests'],
    minutes: 30,
    count: nextest ? byNextest : byCargo,
  },
  {
    name: 'doc',
    says: 'Rust: examples in the documentation',
    run: ['cargo', 'test', '--locked', '--workspace', '--no-fail-fast', '--doc'],
    minutes: 10,
    count: byDocTest,
  },
  {
    name: 'wasm',
    says: 'the same decisions natively and in WebAssembly',
    run: ['node', '--test', '--test-reporter=tap', 'crates/wasm/tests/equality.test.mjs'],
    minutes: 10,
    count: byNode,
  },
  {
    name: 'deny',
    says: 'licences, bans and sources of the Rust dependencies',
    run: ['cargo', 'deny', '--workspace', 'check', '--hide-inclusion-graph', 'bans', 'licenses', 'sources'],
    minutes: 5,
  },
  {
    name: 'advisories',
    says: 'known faults of the Rust dependencies',
    run: ['cargo', 'deny', '--workspace', 'check', '--hide-inclusion-graph', 'advisories'],
    minutes: 5,
    unavailable: /failed to (fetch|open|update|clone) advisory|failed to fetch advisory database|resolve host/i,
  },
  {
    name: 'audit',
    says: 'known faults of the npm packages',
    run: ['npm', '--prefix', 'web', 'audit', '--audit-level=high'],
    minutes: 5,
    unavailable: /audit endpoint returned an error|ENOAUDIT|EAI_AGAIN|ENOTFOUND/,
  },
  {
    name: 'program',
    says: 'the program for the browsers',
    // Of the same choice of packages and targets as the tests, or else what they share is compiled again.
    run: ['cargo', 'build', '--locked', '--workspace', '--bin', 'conclave', '--bin', 'conclave-soak', '--tests'],
    minutes: 20,
  },
  {
    name: 'soak',
    says: 'a minute of people who come and go leaves nothing behind',
    run: ['target/debug/conclave-soak', '--program', 'target/debug/conclave', '--seconds', '60'],
    minutes: 10,
  },
  {
    name: 'streaming',
    says: 'FFmpeg and aiortc publish by WHIP and play by WHEP',
    run: ['target/venv/streaming/bin/python', 'crates/conclave/tests/streaming/run.py'],
    minutes: 10,
    count: byPlaywright,
  },
  {
    name: 'e2e',
    says: 'meetings in real browsers',
    run: ['npm', '--prefix', 'web', 'run', 'e2e'],
    minutes: 35,
    count: byPlaywright,
  },
  {
    name: 'networks',
    says: 'meetings from behind NATs and firewalls',
    run: ['scripts/networks.sh'],
    minutes: 20,
    count: byPlaywright,
  },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(', ')}; there are ${steps.map((step) => step.name).join(', ')}`);
  process.exit(2);
}

mkdirSync(logs, { recursive: true });
process.env.PATH = `${resolve(root, 'target/tools/bin')}${delimiter}${process.env.PATH}`;

/** @type {Count} */
const total = { passed: 0, failed: 0 };
/** @type {string[]} */
const table = [];
/** @type {{ name: string, output: string }[]} */
const failed = [];
for (const step of steps.filter((each) => wanted.length === 0 || wanted.includes(each.name))) {
  console.log(`\n== ${step.name}: ${step.says}`);
  const started = Date.now();
  const { ok, output } = await run(step);
  const seconds = Math.round((Date.now() - started) / 1000);
  if (!ok && step.unavailable?.test(output)) {
    console.log(`-- ${step.name} could not be checked: its database cannot be reached from here. Not counted.`);
    table.push(`${step.name} not checked`);
    continue;
  }
  const count = (step.count ?? asOne)(output, ok);
  total.passed += count.passed;
  total.failed += count.failed;
  if (count.failed > 0) failed.push({ name: step.name, output });
  const result = count.failed > 0 ? `${count.passed} passed, ${count.failed} FAILED` : `${count.passed} passed`;
  table.push(`${step.name} ${result}, ${seconds} s`);
}

console.log(`\n== summary (${availableParallelism()} cores; logs in target/test-logs)`);
for (let at = 0; at < table.length; at += IN_LINE) {
  const columns = table.slice(at, at + IN_LINE).map((cell) => cell.padEnd(38));
  console.log(columns.join(' ').trimEnd());
}
for (const line of failures(failed, MOST_TOLD)) console.log(line);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 ? 1 : 0);

/** Runs a step, shows and keeps what it prints, and ends it with all that it started when its time is over. */
function run(/** @type {typeof steps[number]} */ step) {
  const [command = '', ...args] = step.run;
  const log = createWriteStream(resolve(logs, `${step.name}.log`));
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CARGO_TERM_COLOR: 'never', NO_COLOR: '1', FORCE_COLOR: '0', CI: '1', ...step.env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      process.stdout.write(chunk);
      log.write(chunk);
      output += chunk;
    });
  }
  const end = () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL');
  const timer = setTimeout(() => {
    output += `\n${step.name} did not end within ${step.minutes} minutes\n`;
    console.log(`-- ${step.name} did not end within ${step.minutes} minutes: stopped`);
    end();
  }, step.minutes * minute);
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  return new Promise((/** @type {(result: { ok: boolean, output: string }) => void} */ done) => {
    const finish = (/** @type {boolean} */ ok) => {
      clearTimeout(timer);
      process.off('SIGINT', end);
      process.off('SIGTERM', end);
      log.end();
      done({ ok, output });
    };
    child.on('error', (error) => {
      output += `${command}: ${error.message}\n`;
      console.log(`${command}: ${error.message}`);
      finish(false);
    });
    child.on('close', (code) => finish(code === 0));
  });
}

function succeeds(/** @type {string} */ command, /** @type {string[]} */ args) {
  return new Promise((/** @type {(ok: boolean) => void} */ done) => {
    const child = spawn(command, args, { stdio: 'ignore' });
    child.on('error', () => done(false));
    child.on('close', (code) => done(code === 0));
  });
}

function shellScripts() {
  return ['setup', 'fuzz', 'dev', 'sans-io', 'networks', 'bench-media', 'wasm'].map((name) => `scripts/${name}.sh`);
}
