import { defineConfig } from '@playwright/test';

/** Real browsers behind real NATs and firewalls; started by `scripts/networks.sh`, which makes room for them. */
export default defineConfig({
  testDir: '.',
  globalSetup: './support/prepare.ts',
  workers: 1,
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [['list', { printSteps: false }]],
  outputDir: '../../test-results/networks',
});
