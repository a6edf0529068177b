/** What this machine keeps between visits, by which names. A browser may keep nothing: for a page that another one shows
 * locked in, or as its owner wants it. */
export const KEPT = {
  signedIn: 'hexcast.signed-in', // says only that it is worth asking for a token
  theme: 'hexcast.theme',
  searches: 'hexcast.searches',
  uploads: 'hexcast.uploads', // says only that there are some that are not over
  channel: 'hexcast.channel', // which of one's own the studio shows
  player: 'hexcast.player', // how one likes to watch
  places: 'hexcast.places', // where one was on each page; of one tab
}

type Where = 'localStorage' | 'sessionStorage'

export function kept(name: string, where: Where = 'localStorage'): string | null {
  try {
    return window[where].getItem(name)
  } catch {
    return null
  }
}

/** Null for what is to be forgotten. */
export function keep(name: string, value: string | null, where: Where = 'localStorage'): void {
  try {
    if (value === null) window[where].removeItem(name)
    else window[where].setItem(name, value)
  } catch {
    // there is no place for it
  }
}
