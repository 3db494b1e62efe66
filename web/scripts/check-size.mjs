/**
 * Fails when home and green room load more script than people on a slow phone should wait for.
 * Reads the manifest of `dist`, which `npm run build` leaves there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Of gzipped script, all that is loaded before the meeting itself: bytes. */
const LIMIT = 120_000;
/** What both screens load: the page's entry, and one language (the largest is counted). */
const ENTRY = 'index.html';
const isLanguage = (key) => /^src\/locales\/[^/]+\/index\.ts$/.test(key);
/** What is loaded for the meeting, for the connectivity check or for the administrator only. */
const LATER = [
  /^src\/core\/meeting\.ts$/,
  /^src\/ui\/meeting\//,
  /^src\/ui\/check\//,
  /^src\/ui\/admin\//,
  /^src\/locales\/[^/]+\/admin\.ts$/,
];

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

function main() {
  const manifest = readManifest();
  const files = new Set(scriptsOf(manifest, ENTRY));
  const lazy = (manifest[ENTRY]?.dynamicImports ?? []).concat(
    Object.keys(manifest).filter((key) => isLanguage(key)),
  );
  const unknown = lazy.filter((key) => !isLanguage(key) && !LATER.some((pattern) => pattern.test(key)));
  // Whatever else is imported dynamically is loaded sooner or later on these screens.
  for (const key of unknown) for (const file of scriptsOf(manifest, key)) files.add(file);

  const shell = [...files].reduce((sum, file) => sum + gzipped(file), 0);
  const languages = Object.keys(manifest)
    .filter(isLanguage)
    .map((key) =>
      scriptsOf(manifest, key)
        .filter((file) => !files.has(file))
        .reduce((sum, file) => sum + gzipped(file), 0),
    );
  const total = shell + Math.max(0, ...languages);
  const say = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`Home and green room: ${say(total)} of script, gzipped (at most ${say(LIMIT)}).`);
  if (total > LIMIT) {
    for (const file of files) console.error(`  ${say(gzipped(file))}  ${file}`);
    process.exitCode = 1;
  }
}

function readManifest() {
  try {
    return JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));
  } catch {
    console.error('There is no build to measure: run `npm run build` first.');
    process.exit(1);
  }
}

/** An entry's script and those that it imports statically. */
function scriptsOf(manifest, key, seen = new Set()) {
  if (seen.has(key) || !manifest[key]) return [];
  seen.add(key);
  const { file, imports = [] } = manifest[key];
  const own = file.endsWith('.js') ? [file] : [];
  return own.concat(imports.flatMap((imported) => scriptsOf(manifest, imported, seen)));
}

function gzipped(file) {
  return gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
}

main();
