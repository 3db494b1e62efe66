import { existsSync } from 'node:fs';
import { fakeDevices } from '../../support/fake-devices.ts';
import * as paths from '../../support/paths.ts';
import { people } from '../../support/people.ts';

/** Once before all tests: what they need is there, or it is said what is missing. */
export default function prepare(): void {
  if (process.env.CONCLAVE_NETWORKS !== '1') {
    throw new Error('these tests build networks: run them by scripts/networks.sh, where they harm nothing');
  }
  for (const [file, remedy] of [
    [paths.program, 'cargo build -p conclave'],
    [paths.page, 'make page'],
    [paths.chromium, 'scripts/setup.sh test'],
    [paths.firefox, 'scripts/setup.sh test'],
  ] as const) {
    if (!existsSync(file)) throw new Error(`${file} is missing: ${remedy}`);
  }
  for (const person of people) fakeDevices(person, 'grainy');
}
