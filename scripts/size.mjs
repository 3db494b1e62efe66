// What a person downloads before the first screen shows, compressed as the server sends it, stays below a budget.
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Bytes after gzip: under a second at 1.5 Mbit/s. */
const FIRST_SCREEN = 160 * 1024;
/** Bytes after gzip of everything, so that nothing large slips in behind a dynamic import. */
const WHOLE_PAGE = 320 * 1024;

const dist = resolve(fileURLToPath(import.meta.url), '../../web/dist');
const compressed = (/** @type {string} */ file) => gzipSync(readFileSync(resolve(dist, file)), { level: 6 }).length;

const index = readFileSync(resolve(dist, 'index.html'), 'utf8');
const first = ['index.html', ...[...index.matchAll(/(?:src|href)="\/?(assets\/[^"]+)"/g)].map((match) => String(match[1]))];
const all = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith('.map') && !entry.parentPath.endsWith('.vite'))
  .map((entry) => resolve(entry.parentPath, entry.name));

const sum = (/** @type {string[]} */ files) => files.reduce((total, file) => total + compressed(file), 0);
const kilobytes = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

let ok = true;
for (const [what, size, budget] of /** @type {[string, number, number][]} */ ([
  ['first screen', sum([...new Set(first)]), FIRST_SCREEN],
  ['whole page', sum(all), WHOLE_PAGE],
])) {
  console.log(`${what}: ${kilobytes(size)} of ${kilobytes(budget)}`);
  ok &&= size <= budget;
}

// A page that names another host in its markup would tell that host who meets.
if (/(?:src|href)="(?:https?:)?\/\//.test(index)) {
  console.log('index.html names another host');
  ok = false;
}
process.exit(ok ? 0 : 1);
