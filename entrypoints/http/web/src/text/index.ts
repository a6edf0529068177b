/** All that the client says, in one place: a file for each part of it. Another language is another such folder. */
export { ago, at, bytes, common, compact, day, duration } from './common'
export { shell } from './shell'
export { home } from './home'
export { subscribe } from './subscribe'
export { channel } from './channel'
