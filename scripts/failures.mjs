// What a failed step was about, in a few lines: which tests or faults, and each one's reason. Of a long run, CI shows
// the last lines only.

/** Longest line that is told. */
const WIDTH = 180;

/** Escape sequences of colours, which some tools write whatever they are told. */
// eslint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[\d;]*m/g;

/**
 * Lines that name what failed, or say why, in the output of any tool that a step runs. What is captured is told.
 * @type {RegExp[]}
 */
const TELLING = [
  // cargo nextest: `FAIL [ 0.02s] (3/402) crate module::test`, or TIMEOUT, or SIGABRT.
  /^\s*((?:FAIL|TIMEOUT|ABORT|LEAK-FAIL|SIG[A-Z]+) \[.*)$/,
  // cargo test
  /^test (.+) \.\.\. FAILED$/,
  // The Rust compiler, clippy, cargo, cargo deny.
  /^(error(?:\[[\w-]+\])?: .+)$/,
  // A panic; its message is the next line.
  /^\s*thread .* panicked at (.+):$/,
  // vitest, and its reason
  /^\s*(FAIL\s+\S.*)$/,
  /^\s*((?:\w*Error|Test timeout[^:]*): .+)$/,
  // Playwright's list of what failed
  /^\s*\d+\) (.*?)[\s─]*$/,
  // Tests of streaming
  /^(FAILED\s+.+)$/,
  // The churn run
  /^(conclave-soak: .+)$/,
  // rustfmt, prettier, svelte-check, eslint, shellcheck
  /^(Diff in .+):$/,
  /^\[(?:warn|error)\] (.+)$/,
  /^\d+ (ERROR .+)$/,
  /^\s*(\d+:\d+\s+error\s+.+)$/,
  /^(In .+ line \d+):$/,
  // node --test
  /^not ok \d+ - (.+)$/,
  // scripts/test.mjs itself
  /^(\S+ did not end within \d+ minutes)$/,
];

/** What says again that something failed, but not what. */
const EMPTY =
  /^error: (?:test (?:run )?failed|\d+ targets? failed|could not compile|process didn't exit|aborting due to)/;

/**
 * Tells of each failed step what it was about, in no more lines than these altogether.
 * @param {{ name: string, output: string }[]} steps
 * @param {number} most
 * @returns {string[]}
 */
export function failures(steps, most) {
  if (steps.length > most)
    return [...failures(steps.slice(0, most - 1), most - 1), `and ${steps.length - most + 1} more steps`];
  let left = most;
  return steps.flatMap(({ name, output }, index) => {
    const told = ofStep(output, Math.floor(left / (steps.length - index)));
    left -= told.length;
    return told.map((line) => `${name}: ${line}`.slice(0, WIDTH));
  });
}

/** The telling lines of an output, or without any its last ones. */
function ofStep(/** @type {string} */ output, /** @type {number} */ most) {
  const lines = output.replace(COLOURS, '').split(/\r?\n/);
  /** @type {Map<string, string>} */
  const told = new Map();
  lines.forEach((line, at) => {
    const found = TELLING.map((pattern) => pattern.exec(line)?.[1]).find((text) => text !== undefined);
    if (found === undefined || EMPTY.test(found)) return;
    const reason = / panicked at /.test(line) ? ` ${lines[at + 1]?.trim() ?? ''}` : '';
    // A runner names the same test while it runs, and once more at its end.
    const key = found.replace(/\[[^\]]*\]|\([^)]*\)/g, '').replace(/\s+/g, ' ');
    if (!told.has(key)) told.set(key, found.trim() + reason);
  });
  if (told.size === 0)
    return lines
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .slice(-most);
  const all = [...told.values()];
  return all.length <= most
    ? all
    : [...all.slice(0, Math.max(most - 1, 0)), `and ${all.length - most + 1} more`].slice(-most);
}
