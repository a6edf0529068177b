import { preact } from '@preact/preset-vite'
import { defineConfig, type Plugin } from 'vite'
import { compression, defineAlgorithm } from 'vite-plugin-compression2'

// The server to talk to while working on the client with `npm run dev`.
const server = process.env.HEXCAST_URL ?? 'http://127.0.0.1:8000'

/** Lets the browser fetch the client while the first script, which asks for it, is on its way. */
function together(): Plugin {
  return {
    name: 'together',
    transformIndexHtml: {
      order: 'post',
      handler(_, { bundle, filename }) {
        const wanted = filename.endsWith('embed.html') ? 'embed' : 'main'
        const chunks = new Map(Object.values(bundle ?? {}).flatMap((each) => (each.type === 'chunk' ? [[each.fileName, each] as const] : [])))
        const found = new Set<string>()
        const gather = (name: string) => {
          if (found.has(name)) return
          found.add(name)
          chunks.get(name)?.imports.forEach(gather)
        }
        for (const each of chunks.values()) if (each.name === wanted && each.isDynamicEntry) gather(each.fileName)
        const styles = new Set([...found].flatMap((each) => [...(chunks.get(each)?.viteMetadata?.importedCss ?? [])]))
        return [
          ...[...found].filter((each) => chunks.get(each)?.name !== 'early').map((each) => ({ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${each}` }, injectTo: 'head' as const })),
          ...[...styles].map((each) => ({ tag: 'link', attrs: { rel: 'stylesheet', crossorigin: true, href: `/${each}` }, injectTo: 'head' as const })),
        ]
      },
    },
  }
}

export default defineConfig({
  plugins: [
    preact({ devToolsEnabled: false }),
    together(),
    compression({ threshold: 1024, include: /\.(html|css|js|svg|json|webmanifest)$/, algorithms: [defineAlgorithm('gzip'), defineAlgorithm('brotliCompress')] }),
  ],
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 700, // hls.js
    assetsInlineLimit: 0, // the pages' Content-Security-Policy knows no data: but for pictures
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ['index.html', 'embed.html'],
      treeshake: { moduleSideEffects: [{ test: /src\/text\//, sideEffects: false }] }, // words that nobody says are left out
      output: {
        codeSplitting: {
          // Few files: what the first script needs, the looks, and what the client and its pages have in common. The rest is
          // with the pages, and so are their words, the players and what finds links in people's text.
          includeDependenciesRecursively: false,
          groups: [
            { name: 'early', test: /src\/(early|pages|kept|api\/early|text\/early)\.ts$|preload-helper/, priority: 2 },
            { name: 'styles', test: /src\/styles\//, priority: 2 },
            { name: 'shared', test: /src\/(api|ui(?!\/rich))\/|src\/text\/(common|search|shell|subscribe|uploading)\.|src\/uploads\/state\.|node_modules\/(preact|preact-iso|@preact|@tanstack|openapi-fetch|lucide-preact)\//, minShareCount: 2, priority: 1 },
            // With what vidstack would fetch once it knows what to play; without what plays other things.
            { name: 'player', test: /src\/player\/|vidstack\/prod\/(?!providers\/vidstack-(?:youtube|vimeo|dash|google-cast|audio))/ },
          ],
        },
      },
    },
  },
  server: { proxy: Object.fromEntries(['/v1', '/media', '/schema'].map((path) => [path, { target: server, ws: true }])) },
})
