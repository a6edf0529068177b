/** Leave to watch a broadcast, asked for anew whenever playing came to an end that is none. */
import { useEffect, useState } from 'preact/hooks'
import { Problem, type Stream, api, ask } from '../api/client'
import { look } from '../api/streams'
import type { Grant } from '../player/player'

const AGAIN_MS = 2_000

export async function granted(stream: string): Promise<Grant> {
  const found = await ask(api.POST('/v1/streams/{stream_id}/playback-sessions', { params: { path: { stream_id: stream } } }))
  return { url: found.manifest_url, until: found.expires_at, cookies: found.mode === 'cookie' }
}

interface Sitting {
  /** Another one needs another player. */
  key: string
  grant: Grant | undefined
  error: unknown
  /** Playing failed: what there is to play now? */
  again: () => void
}

/** Of a stream that is live; null where it is not. */
export function useSitting(stream: Stream): Sitting | null {
  const [attempt, setAttempt] = useState(0)
  const [found, setFound] = useState<{ key: string; grant?: Grant; error?: unknown } | null>(null)
  const session = stream.status === 'live' ? stream.current_session_id : null
  const key = `${session}.${attempt}`

  useEffect(() => {
    if (!session) return
    let stopped = false
    let timer: ReturnType<typeof setTimeout> | undefined
    async function open(): Promise<void> {
      try {
        const grant = await granted(stream.id)
        if (!stopped) setFound({ key, grant })
      } catch (error) {
        if (stopped) return
        const passing = error instanceof Problem && (error.status === 0 || error.status === 409 || error.status === 429 || error.status >= 500)
        setFound({ key, error: passing ? null : error })
        if (error instanceof Problem && error.status === 409) void look(stream.id)
        if (passing) timer = setTimeout(() => void open(), AGAIN_MS)
      }
    }
    timer = setTimeout(() => void open(), attempt ? AGAIN_MS : 0)
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [key])

  if (!session) return null
  const mine = found?.key === key ? found : null
  return {
    key,
    grant: mine?.grant,
    error: mine?.error ?? null,
    again: () => {
      void look(stream.id)
      setAttempt((count) => count + 1)
    },
  }
}
