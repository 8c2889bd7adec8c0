import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

// `npm run dev` passes what is not a page of the app to a service that runs already.
const service = process.env['CODECANVAS_URL'] ?? 'http://127.0.0.1:10100'

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // A file in the page itself would need an exception in the content security policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: ['index.html', 'playground.html'],
      checks: { ineffectiveDynamicImport: false },
      onLog: (level, log, print) => {
        // GraphiQL's libraries are marked for servers that render React; there is none here.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') print(level, log)
      },
    },
    // GraphiQL brings an editor of its own; nobody loads it but /playground.
    chunkSizeWarningLimit: 8000,
  },
  server: { proxy: { '/graphql': { target: service, ws: true }, '/export': service } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})
