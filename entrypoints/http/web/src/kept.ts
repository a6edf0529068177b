/** The names of what this machine keeps between visits (localStorage). */
export const KEPT = {
  signedIn: 'hexcast.signed-in', // says only that it is worth asking for a token
  theme: 'hexcast.theme',
  searches: 'hexcast.searches',
  player: 'hexcast.player', // how one likes to watch
}
