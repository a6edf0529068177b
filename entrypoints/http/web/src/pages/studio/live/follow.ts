/** A broadcast as it goes on: what happened in it and how it is now, told over server-sent events while somebody looks. */
import { useEffect, useState } from 'preact/hooks'
import { session as signed } from '../../../api/session'
import type { Session, SessionEvent } from '../../../api/streams'

const AGAIN_MS = [1_000, 2_000, 5_000, 15_000, 30_000]
const FLUSH_MS = 50 // all that happened so far comes at once

export interface Followed {
  session: Session | null
  events: readonly SessionEvent[]
}

const NOTHING: Followed = { session: null, events: [] }

export function useBroadcast(id: string | null): Followed {
  const [followed, setFollowed] = useState(NOTHING)
  useEffect(() => {
    setFollowed(NOTHING)
    if (id === null) return
    return follow(id, setFollowed)
  }, [id])
  return followed.session && followed.session.id !== id ? NOTHING : followed
}

/** Until the returned function is called, or the broadcast is over. Holds no connection while the page is out of sight. */
function follow(id: string, show: (followed: Followed) => void): () => void {
  const known = new Map<string, SessionEvent>()
  let session: Session | null = null
  let source: EventSource | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let wanted = 0

  function flush(): void {
    timer = undefined
    show({ session, events: [...known.values()].sort((a, b) => a.at.localeCompare(b.at) || a.id.localeCompare(b.id)) })
  }
  function soon(): void {
    timer ??= setTimeout(flush, FLUSH_MS)
  }
  async function open(): Promise<void> {
    const turn = ++wanted
    let token: string | null = null
    try {
      token = await signed.token()
    } catch {
      if (turn === wanted) later() // the server cannot be reached
      return
    }
    if (turn !== wanted || token === null) return
    source = new EventSource(`/v1/stream-sessions/${encodeURIComponent(id)}/events/stream?access_token=${encodeURIComponent(token)}`)
    source.addEventListener('event', ({ data }: MessageEvent<string>) => {
      const event = JSON.parse(data) as SessionEvent
      known.set(event.id, event)
      soon()
    })
    source.addEventListener('session', ({ data }: MessageEvent<string>) => {
      session = JSON.parse(data) as Session
      failures = 0
      if (session.status === 'ended') close()
      soon()
    })
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) later() // refused: with another token, perhaps
    }
  }
  function close(): void {
    wanted++
    clearTimeout(again)
    source?.close()
    source = null
  }
  function later(): void {
    close()
    again = setTimeout(() => void open(), AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)])
  }
  function turn(): void {
    close()
    if (document.visibilityState === 'visible' && session?.status !== 'ended') void open()
  }
  turn()
  document.addEventListener('visibilitychange', turn)
  return () => {
    document.removeEventListener('visibilitychange', turn)
    clearTimeout(timer)
    close()
  }
}
