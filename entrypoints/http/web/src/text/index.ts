/** All that the client says, in one place: a file for each part of it. Another language is another such folder. */
export { account } from './account'
export { ago, at, bytes, common, compact, duration } from './common'
export { shell } from './shell'
export { home } from './home'
export { player } from './player'
