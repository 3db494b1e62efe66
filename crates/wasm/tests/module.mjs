// The module in Node: runs on as many threads as there are processors.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

/** @typedef {import('./compare.mjs').Run} Run */
/** @typedef {{ scenario_count(): number, controller_count(): number,
 *   run_hash(scenario: number, controller: number, seed: number): bigint,
 *   playout_hash(seed: number): bigint, bearer_hash(seed: number): bigint }} Exports */

/**
 * What the module exports. It imports nothing: there is no clock and no randomness that it could ask.
 * @param {WebAssembly.Module} module
 * @returns {Exports}
 */
export function instantiate(module) {
  return /** @type {Exports} */ (/** @type {unknown} */ (new WebAssembly.Instance(module, {}).exports));
}

/**
 * The hash of each run.
 * @param {WebAssembly.Module} module
 * @param {Run[]} runs
 * @returns {Promise<Map<Run, bigint>>}
 */
export async function hashes(module, runs) {
  /** @type {Map<Run, bigint>} */
  const found = new Map();
  const left = [...runs];
  const work = () =>
    new Promise((/** @type {(nothing: void) => void} */ done, fail) => {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: module });
      /** @type {Run | undefined} */
      let run;
      const next = () => {
        run = left.shift();
        if (run !== undefined) worker.postMessage([run.scenario, run.controller, run.seed]);
        else void worker.terminate().then(() => done());
      };
      worker.on('message', (/** @type {bigint} */ hash) => {
        if (run !== undefined) found.set(run, hash);
        next();
      });
      worker.on('error', (error) => fail(new Error(`${run?.name}: ${error.message}`)));
      next();
    });
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return found;
}

if (!isMainThread) {
  const { run_hash: runHash } = instantiate(workerData);
  parentPort?.on('message', (/** @type {[number, number, number]} */ [scenario, controller, seed]) =>
    parentPort?.postMessage(runHash(scenario, controller, seed)),
  );
}
