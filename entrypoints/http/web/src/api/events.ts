/** Notifications as they come. One tab holds the connection (browsers allow six a host), the others hear it from there. */
import { alone, told } from './apart'
import { queries } from './queries'
import { session } from './session'

const AGAIN_MS = 3_000

interface Happened {
  type: string
  data: unknown
}
export type Listener = (event: Happened) => void
const listeners = new Set<Listener>()

const others = told('hexcast.events', tell)

function tell(event: Happened): void {
  listeners.forEach((each) => each(event))
  void queries.invalidateQueries({ queryKey: ['notifications'] })
}

/** Calls for every event until the returned function is called. */
export function hear(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Listens while somebody is signed in. */
export function listen(stop: AbortSignal): void {
  alone('hexcast.events', () => hold(stop), stop).catch((error: unknown) => {
    if (!stop.aborted) throw error
  })
}

async function hold(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const token = await session.token().catch(() => null)
    if (token) await follow(`/v1/me/notifications/stream?access_token=${encodeURIComponent(token)}`, stop)
    if (!session.signedIn) return
    if (!stop.aborted) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

/** Until it breaks for good: then a new token may be needed. */
function follow(url: string, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const source = new EventSource(url)
    const end = () => {
      source.close()
      stop.removeEventListener('abort', end)
      resolve()
    }
    stop.addEventListener('abort', end)
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) end()
    }
    for (const type of ['notification', 'message']) {
      source.addEventListener(type, (event) => {
        const heard = { type, data: JSON.parse((event as MessageEvent<string>).data) as unknown }
        others(heard)
        tell(heard)
      })
    }
  })
}
