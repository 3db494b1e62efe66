// What two builds say of the same runs, side by side.

/** @typedef {{ scenario: number, controller: number, seed: number, hash: bigint, name: string }} Run */

const LINE = /^(\d+) (\d+) (\d+) ([\da-f]{16}) (.+)$/;

/**
 * The runs that examples/hashes.rs prints.
 * @param {string} text
 * @returns {Run[]}
 */
export function parse(text) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, scenario, controller, seed, hash, name = ''] = LINE.exec(line) ?? [];
      if (hash === undefined) throw new Error(`not a run: ${line}`);
      return {
        scenario: Number(scenario),
        controller: Number(controller),
        seed: Number(seed),
        hash: BigInt(`0x${hash}`),
        name,
      };
    });
}

/**
 * Why a native run and its hash in WebAssembly are not the same; undefined if they are.
 * @param {Run} native
 * @param {bigint | undefined} hash
 * @returns {string | undefined}
 */
export function difference(native, hash) {
  if (native.hash === 0n) return `${native.name}: there is no such run natively`;
  if (hash === undefined) return `${native.name}: it was not run in WebAssembly`;
  // A function of WebAssembly gives 64 bits as a signed number.
  const unsigned = BigInt.asUintN(64, hash);
  if (unsigned === native.hash) return undefined;
  const hex = (/** @type {bigint} */ number) => number.toString(16).padStart(16, '0');
  return `${native.name}, seed ${native.seed}: ${hex(native.hash)} natively, ${hex(unsigned)} in WebAssembly`;
}

/**
 * Why what was run natively is not every run that the module has; undefined if it is.
 * @param {Run[]} native
 * @param {number} scenarios
 * @param {number} controllers
 * @returns {string | undefined}
 */
export function omission(native, scenarios, controllers) {
  const there = new Set(native.map((run) => `${run.scenario} ${run.controller}`));
  for (let scenario = 0; scenario < scenarios; scenario += 1)
    for (let controller = 0; controller < controllers; controller += 1)
      if (!there.has(`${scenario} ${controller}`))
        return `scenario ${scenario} with controller ${controller} is missing`;
  const all = scenarios * controllers;
  if (all === 0) return 'there is nothing to run';
  return native.length === all ? undefined : `${native.length} runs natively, ${all} in WebAssembly`;
}
