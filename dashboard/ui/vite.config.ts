/** How the page is built: one hashed bundle into dashboard/static, nothing inlined (the page's CSP forbids it), licences beside it. */
import { defineConfig, type Plugin } from 'vite';

const LICENCES = 'third-party-licences.md';

/** What lightweight-charts asks to be said and its package does not carry; the page says it under the chart, too. */
const NOTICE = `
## Notice of lightweight-charts

TradingView Lightweight Charts(TM)
Copyright (c) 2025 TradingView, Inc. https://www.tradingview.com/
`;

function notice(): Plugin {
  return {
    name: 'notice',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const file = bundle[LICENCES];
        if (file?.type !== 'asset') this.error(`${LICENCES} was not made: the licences of what is bundled must be shipped with it`);
        else file.source = `${String(file.source)}${NOTICE}`;
      },
    },
  };
}

const hashed = 'assets/[name].[hash:10].js';

export default defineConfig({
  base: '/',
  plugins: [notice()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    // The polyfill is an inline script's worth of code for browsers older than the target.
    modulePreload: { polyfill: false },
    license: { fileName: LICENCES },
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
