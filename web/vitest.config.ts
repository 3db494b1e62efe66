import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts'],
    environment: 'jsdom',
  },
  // Vitest would otherwise take Svelte's server build, where runes do not react.
  resolve: { conditions: ['browser'] },
});
