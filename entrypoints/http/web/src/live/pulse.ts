/** What a live picture does: whether it goes on, and what was said to its players at this point of it. */
import type Hls from 'hls.js'
import { useEffect, useState } from 'preact/hooks'
import type { HLSProvider } from 'vidstack'
import type { MediaPlayerElement } from '../player/player'

const TICK_MS = 500
const LATE_S = 4 // without a new segment, beyond two lengths of one
const EMPTY_S = 0.4
const NEAR_S = 3
const FAR_S = 1.5
const JUMPS_MS = 5_000
const NOTE_MS = 8_000
const NOTE_LATE_S = 5 // where no end of it is known

/** The hls.js of a player once it plays with it, in the browsers that need it. */
export function useHls(player: MediaPlayerElement | null): Hls | null {
  const [hls, setHls] = useState<Hls | null>(null)
  useEffect(() => {
    if (!player) return
    const take = (provider: unknown) => {
      if ((provider as { type?: string } | null)?.type !== 'hls') return
      ;(provider as HLSProvider).onInstance((found) => {
        const { Events } = found.constructor as typeof Hls
        if (found.media) setHls(found)
        else found.once(Events.MEDIA_ATTACHED, () => setHls(found))
      })
    }
    const changed = (event: Event) => take((event as CustomEvent<unknown>).detail)
    take(player.provider)
    player.addEventListener('provider-change', changed)
    return () => player.removeEventListener('provider-change', changed)
  }, [player])
  return hls
}

/** True while nothing new comes and all that came was shown. */
export function useInterrupted(hls: Hls | null): boolean {
  const [interrupted, setInterrupted] = useState(false)
  useEffect(() => {
    if (!hls) return
    let newest = -1
    let at = Date.now()
    const timer = setInterval(() => {
      const details = hls.latestLevelDetails
      const media = hls.media
      if (!details || !media) return
      if (details.endSN !== newest) [newest, at] = [details.endSN, Date.now()]
      const late = Date.now() - at > (2 * details.targetduration + LATE_S) * 1000
      const ahead = media.buffered.length ? media.buffered.end(media.buffered.length - 1) - media.currentTime : 0
      setInterrupted((before) => details.live && late && (before || ahead < EMPTY_S))
    }, TICK_MS)
    return () => clearInterval(timer)
  }, [hls])
  return interrupted
}

/**
 * Keeps to what happens now whoever did not leave it: after a slow start or a stall hls.js goes on where it was. Who
 * pauses or goes back is left there.
 */
export function useEdge(hls: Hls | null): void {
  useEffect(() => {
    const media = hls?.media
    if (!hls || !media) return
    const heard = new AbortController()
    const late = () => hls.latency - (hls.targetLatency ?? 0)
    let following = true
    let from = 0
    let jumped = 0
    const on = (type: string, act: () => void) => media.addEventListener(type, act, { signal: heard.signal })
    on('timeupdate', () => {
      if (!media.seeking) from = media.currentTime
    })
    on('seeking', () => {
      if (media.currentTime < from - 1) following = false
    })
    on('seeked', () => {
      if (late() < NEAR_S) following = true
    })
    on('pause', () => {
      following = false
    })
    on('playing', () => {
      if (late() < NEAR_S || !from) following = true
    })
    const timer = setInterval(() => {
      const edge = hls.liveSyncPosition
      if (!following || edge === null || media.paused || media.seeking || media.readyState < 2 || Date.now() - jumped < JUMPS_MS) return
      if (late() < FAR_S || edge <= media.currentTime || !hls.latestLevelDetails?.live) return
      jumped = Date.now()
      media.currentTime = edge
    }, TICK_MS)
    return () => {
      heard.abort()
      clearInterval(timer)
    }
  }, [hls])
}

/** What the channel said to the players at the point that is shown, for some seconds. */
export function useNote(hls: Hls | null): string | null {
  const [note, setNote] = useState<string | null>(null)
  useEffect(() => {
    if (!hls) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let shown: TextTrackCue | undefined
    const looking = setInterval(() => {
      const { media } = hls
      if (!media) return
      const track = [...media.textTracks].find((each) => each.kind === 'metadata')
      const cue = [...(track?.activeCues ?? [])].findLast((each) => each.startTime > media.currentTime - NOTE_LATE_S)
      if (!cue || cue === shown) return
      shown = cue
      const text = said(cue)
      if (!text) return
      setNote(text)
      clearTimeout(timer)
      timer = setTimeout(() => setNote(null), NOTE_MS)
    }, TICK_MS)
    return () => {
      clearInterval(looking)
      clearTimeout(timer)
    }
  }, [hls])
  return note
}

interface Valued extends TextTrackCue {
  value?: { key?: string; data?: unknown; info?: unknown }
}

/** As a playlist of ours has it, or an ID3 frame of IVS. What is meant for programs is none of ours. */
function said(cue: TextTrackCue): string | null {
  const { key, data } = (cue as Valued).value ?? {}
  if (typeof data !== 'string') return null
  const text = key === 'X-TEXT' ? decoded(data) : key === 'TXXX' ? data : null
  return text && !/^\s*[[{]/.test(text) ? text : null
}

function decoded(base64: string): string | null {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (each) => each.codePointAt(0) ?? 0))
  } catch {
    return null // it is another's
  }
}
