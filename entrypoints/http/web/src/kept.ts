/** The names of what this machine keeps between visits (localStorage). */
export const KEPT = {
  signedIn: 'hexcast.signed-in', // says only that it is worth asking for a token
  theme: 'hexcast.theme',
  searches: 'hexcast.searches',
  uploads: 'hexcast.uploads', // says only that there are some that are not over
  channel: 'hexcast.channel', // which of one's own the studio shows
  player: 'hexcast.player', // how one likes to watch
}
