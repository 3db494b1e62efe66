import { fileURLToPath } from 'node:url';

const fromRoot = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const targetDirectory = process.env.CARGO_TARGET_DIR ?? fromRoot('target');
export const program = process.env.E2E_PROGRAM ?? `${targetDirectory}/debug/conclave`;
export const page = fromRoot('web/dist/index.html');
/** Not kept in the repository; for whoever wants to look. */
export const screenshots = fromRoot('web/screenshots');
export const chromium = process.env.E2E_CHROMIUM ?? '/usr/bin/chromium';
export const firefox = process.env.E2E_FIREFOX ?? '/usr/bin/firefox-esr';
