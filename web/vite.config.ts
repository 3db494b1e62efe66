import { svelte } from '@sveltejs/vite-plugin-svelte';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vite';

/** Where `npm run dev` and `npm run preview` find the server's API; the page itself knows one origin only. */
const server = process.env.CONCLAVE_DEV_SERVER ?? 'http://127.0.0.1:8443';

/** The WebSocket of signalling lives below /api as well. */
const proxy = { '/api': { target: server, ws: true, changeOrigin: true } };

export default defineConfig({
  plugins: [svelte(), tailwindcss()],
  build: {
    target: 'es2022',
    // Every byte of script and style has a URL of its own: the server's CSP forbids inline code,
    // and what is hashed may be cached for ever.
    assetsInlineLimit: 0,
    manifest: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy },
  preview: { proxy },
});
