/** The code of each page, and which is for which address: so that it can be fetched before it is needed. */

/** A page with a player: what it plays with comes at the same time. */
function playing<T>(page: () => Promise<T>): () => Promise<T> {
  return () => {
    import('hls.js').catch(() => undefined) // the player asks for it, too, and that it failed is its to say
    return page()
  }
}

export const pages = {
  home: () => import('./pages/home'),
  search: () => import('./pages/search'),
  watch: playing(() => import('./pages/watch')),
  live: playing(() => import('./pages/live')),
  channel: () => import('./pages/channel'),
  subscriptions: () => import('./pages/subscriptions'),
  history: () => import('./pages/history'),
  notifications: () => import('./pages/notifications'),
  studio: () => import('./pages/studio'),
  account: () => import('./pages/account'),
  'sign-in': () => import('./pages/sign-in'),
  'sign-up': () => import('./pages/sign-up'),
  forgot: () => import('./pages/forgot'),
  missing: () => import('./pages/missing'),
}

/** Begins to fetch the page at an address, if it is not here. That it failed is for the router to say, when it is asked for. */
export function fetchPage(path: string): void {
  const first = path.split('/')[1] ?? ''
  const name = first === '' ? 'home' : first.startsWith('@') ? 'channel' : first
  const load = Object.hasOwn(pages, name) ? pages[name as keyof typeof pages] : pages.missing
  load().catch(() => undefined)
}
