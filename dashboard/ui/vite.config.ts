/** How the page is built: one hashed bundle into dashboard/static, nothing inlined (the page's CSP forbids it), licences beside it. */
import { defineConfig } from 'vite';

const hashed = 'assets/[name].[hash:10].js';

export default defineConfig({
  base: '/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    // The polyfill is an inline script's worth of code for browsers older than the target.
    modulePreload: { polyfill: false },
    license: { fileName: 'third-party-licences.md' },
    rolldownOptions: {
      output: {
        entryFileNames: hashed,
        chunkFileNames: hashed,
        assetFileNames: 'assets/[name].[hash:10].[ext]',
        hashCharacters: 'hex',
      },
    },
  },
  worker: {
    format: 'es',
    rolldownOptions: { output: { entryFileNames: hashed, hashCharacters: 'hex' } },
  },
});
