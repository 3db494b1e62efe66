import { existsSync, mkdirSync } from 'node:fs';
import { fakeDevices } from './fake-devices.ts';
import * as paths from './paths.ts';
import { people } from './people.ts';

/** Once before all tests: what they need is there, or it is said what is missing. */
export default function prepare(): void {
  for (const [file, remedy] of [
    [paths.program, 'cargo build -p conclave'],
    [paths.page, 'make page'],
    [paths.chromium, 'scripts/setup.sh test'],
    [paths.firefox, 'scripts/setup.sh test'],
  ] as const) {
    if (!existsSync(file)) throw new Error(`${file} is missing: ${remedy}`);
  }
  mkdirSync(paths.screenshots, { recursive: true });
  for (const person of people) fakeDevices(person);
}
