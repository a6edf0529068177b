/** What keys do in the player, in one table that the help is made from, too. */
import { player as text } from '../text'
import type { Parts } from './context'
import { SPEEDS, jump, louder, speed, toggleMuted, togglePaused, toggleFullscreen, togglePip } from './actions'

interface Shortcut {
  keys: readonly string[]
  /** How the help writes them. */
  shown: readonly string[]
  label: string
  /** Only while the focus is in the player: elsewhere the key moves the page. */
  inside?: boolean
  act: (parts: Parts, key: string) => void
}

const names = text.keyNames

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ['k', ' '], shown: ['K', names.space], label: text.keys.toggle, act: togglePaused },
  { keys: ['j'], shown: ['J'], label: text.keys.backward, act: (parts) => jump(parts, -10) },
  { keys: ['l'], shown: ['L'], label: text.keys.forward, act: (parts) => jump(parts, 10) },
  { keys: ['ArrowLeft'], shown: [names.left], label: text.keys.back5, act: (parts) => jump(parts, -5) },
  { keys: ['ArrowRight'], shown: [names.right], label: text.keys.forward5, act: (parts) => jump(parts, 5) },
  { keys: ['ArrowUp'], shown: [names.up], label: text.keys.louder, inside: true, act: (parts) => louder(parts, 0.05) },
  { keys: ['ArrowDown'], shown: [names.down], label: text.keys.quieter, inside: true, act: (parts) => louder(parts, -0.05) },
  { keys: ['m'], shown: ['M'], label: text.keys.mute, act: toggleMuted },
  { keys: ['c'], shown: ['C'], label: text.keys.captions, act: ({ tracks }) => tracks.toggle() },
  { keys: ['f'], shown: ['F'], label: text.keys.fullscreen, act: toggleFullscreen },
  { keys: ['t'], shown: ['T'], label: text.keys.theatre, act: ({ toggleTheatre }) => toggleTheatre?.() },
  { keys: ['i'], shown: ['I'], label: text.keys.pip, act: togglePip },
  { keys: ['<'], shown: ['<'], label: text.keys.slower, act: (parts) => speed(parts, SPEEDS.findLast((each) => each < parts.player.playbackRate)) },
  { keys: ['>'], shown: ['>'], label: text.keys.faster, act: (parts) => speed(parts, SPEEDS.find((each) => each > parts.player.playbackRate)) },
  { keys: [...'0123456789'], shown: ['0', '…', '9'], label: text.keys.part, act: ({ player, live }, key) => {
    if (!live) player.currentTime = (player.state.duration * Number(key)) / 10
  } },
  { keys: ['Home'], shown: [names.home], label: text.keys.start, inside: true, act: ({ player }) => { player.currentTime = player.state.seekableStart } },
  { keys: ['End'], shown: [names.end], label: text.keys.end, inside: true, act: ({ player }) => { player.currentTime = player.state.seekableEnd } },
  { keys: ['?'], shown: ['?'], label: text.keys.help, act: ({ help }) => help() },
]

const WRITES = 'input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]'

/** Does what a key asks for, unless it is meant for something else on the page. */
export function press(parts: Parts, event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return
  const on = event.target instanceof Element ? event.target : null
  if (on?.closest(`${WRITES}, dialog, [popover], [role=menu]`)) return
  if (on?.closest('[role=slider]') && /^(Arrow|Home|End)/.test(event.key)) return
  if (event.key === ' ' && on?.closest('button, a, summary, [role=slider]')) return
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const wanted = SHORTCUTS.find((each) => each.keys.includes(key))
  if (!wanted || (wanted.inside && !(on && parts.player.contains(on)))) return
  event.preventDefault()
  wanted.act(parts, key)
}
