import { defineConfig } from '@playwright/test';

/** Real browsers, real servers: each test starts its own (see `e2e/support/fixtures.ts`). */
export default defineConfig({
  testDir: 'e2e',
  // Networks of their own need scripts/networks.sh; what is only measured, make bench-join.
  testIgnore: ['networks/**', 'bench/**'],
  globalSetup: './e2e/support/prepare.ts',
  // A meeting of five is five browsers; two meetings at once would measure the machine, not Conclave.
  workers: 1,
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list', { printSteps: false }]],
  outputDir: 'test-results',
});
