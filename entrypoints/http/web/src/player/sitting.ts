/** Sitting in front of a video: leave to play it, renewed under the same player, and telling how far one has come. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { type Sitting, beat, open } from '../api/sittings'
import type { MediaPlayerElement } from './elements'
import type { Grant } from './link'

const EVERY_MS = 10_000

/** A sitting that is renewed under the same player; and what it failed with. */
export function useSitting(id: string) {
  const [first, setFirst] = useState<Sitting>()
  const [error, setError] = useState<unknown>(null)
  const now = useRef<Sitting>()
  async function renew(): Promise<Grant> {
    now.current = await open(id)
    return grantOf(now.current)
  }
  function begin(): void {
    setError(null)
    renew().then(() => setFirst(now.current), setError)
  }
  useEffect(begin, [id])
  return { grant: first && grantOf(first), resumeAt: first?.resume_at_s, now, renew, begin, error }
}

function grantOf({ manifest_url: url, expires_at: until, mode }: Sitting): Grant {
  return { url, until, cookies: mode === 'cookie' }
}

/** Tells where one is, every ten seconds while it plays, as it stops, and as the page goes away. */
export function follow(player: MediaPlayerElement, id: string, now: { readonly current: Sitting | undefined }, renew: () => Promise<unknown>): () => void {
  let told = -1
  let plays = false
  let timer: ReturnType<typeof setInterval> | undefined
  function tell(last: boolean): void {
    const [sitting, position] = [now.current, player.currentTime]
    if (!sitting || position === told) return
    told = position
    void beat(id, sitting.id, position, last)
      .then((counts) => (counts || last ? undefined : renew()))
      .catch(() => undefined) // there is another one soon
  }
  const stop = player.subscribe(({ paused, started }) => {
    const before = plays
    plays = started && !paused
    if (plays && !before) timer = setInterval(() => player.state.playing && tell(false), EVERY_MS)
    if (plays || !before) return
    clearInterval(timer)
    tell(false)
  })
  const leave = () => plays && tell(true)
  addEventListener('pagehide', leave)
  return () => {
    leave()
    clearInterval(timer)
    removeEventListener('pagehide', leave)
    stop()
  }
}
