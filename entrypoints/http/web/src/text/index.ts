/** All that the client says, in one place: a file for each part of it. Another language is another such folder. */
export { account } from './account'
export { channel } from './channel'
export { ago, at, bytes, common, compact, day, duration } from './common'
export { home } from './home'
export { shell } from './shell'
export { subscribe } from './subscribe'
export { player } from './player'
export { watch } from './watch'
