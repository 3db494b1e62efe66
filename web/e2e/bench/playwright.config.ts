import { defineConfig } from '@playwright/test';

/** Measurements in real browsers, apart from the tests: run them on a machine that does nothing else. */
export default defineConfig({
  testDir: '.',
  globalSetup: '../support/prepare.ts',
  workers: 1,
  retries: 0,
  timeout: 600_000,
  expect: { timeout: 20_000 },
  reporter: [['line']],
  outputDir: '../../test-results/bench',
});
