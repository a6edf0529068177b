import { preact } from '@preact/preset-vite'
import { defineConfig } from 'vite'
import { compression, defineAlgorithm } from 'vite-plugin-compression2'

// The server to talk to while working on the client with `npm run dev`.
const server = process.env.HEXCAST_URL ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [
    preact({ devToolsEnabled: false }),
    compression({ threshold: 1024, include: /\.(html|css|js|svg|json|webmanifest)$/, algorithms: [defineAlgorithm('gzip'), defineAlgorithm('brotliCompress')] }),
  ],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the pages' Content-Security-Policy knows no data: but for pictures
    rollupOptions: { input: ['index.html', 'embed.html'] },
  },
  server: { proxy: Object.fromEntries(['/v1', '/media', '/schema'].map((path) => [path, { target: server, ws: true }])) },
})
