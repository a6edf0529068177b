/** The player that controls belong to, and what is known of it. */
import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import type { MediaPlayerElement } from './elements'
import type { Stream } from './stream'
import type { Tracks } from './tracks'

type State = Parameters<Parameters<MediaPlayerElement['subscribe']>[0]>[0]

export interface Parts {
  player: MediaPlayerElement
  stream: Stream
  tracks: Tracks
  live: boolean
  theatre: boolean | undefined
  toggleTheatre: (() => void) | undefined
  help: () => void
}

export const PlayerContext = createContext<Parts | null>(null)

export function useParts(): Parts {
  const parts = useContext(PlayerContext)
  if (!parts) throw new Error('a control outside a player')
  return parts
}

/** What the player's state says now, whenever it says something else. */
export function useMedia<T>(pick: (state: State) => T): T {
  const { player } = useParts()
  const [value, setValue] = useState(() => pick(player.state))
  useEffect(() => player.subscribe((state) => {
    const next = pick(state)
    setValue(() => next)
  }), [player])
  return value
}
