/** One part on the wire, and how many may be there at once. */
import { Problem, problemOf } from '../api/client'

const STALLED_MS = 45_000

/** PUTs bytes to a link. Throws Problem, of status 0 where no answer came. fetch() tells nothing while it sends. */
export function put(url: string, body: Blob, stop: AbortSignal, sent: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    let stalled: ReturnType<typeof setTimeout> | undefined
    const moved = () => {
      clearTimeout(stalled)
      stalled = setTimeout(() => request.abort(), STALLED_MS)
    }
    const abort = () => request.abort()
    request.open('PUT', url)
    request.upload.onprogress = (event) => {
      moved()
      sent(event.loaded)
    }
    request.onload = () => (request.status < 300 ? resolve() : reject(problemOf(read(request.responseText), request.status)))
    request.onerror = request.onabort = () => reject(new Problem('offline', '', 0))
    request.onloadend = () => {
      clearTimeout(stalled)
      stop.removeEventListener('abort', abort)
    }
    if (stop.aborted) return reject(new Problem('offline', '', 0))
    stop.addEventListener('abort', abort)
    moved()
    request.send(body)
  })
}

function read(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // S3 answers in XML; the status says enough
  }
}

/** Of the six connections that a browser opens to a host, two are event streams', and one stays for everything else. */
const AT_ONCE = 3
/** Several at once are quicker only where one is quick; where it is not, a part that is cut off costs more than it saved. */
const QUICK_MS = 4_000
const SLOW_MS = 10_000
let most = 1
let busy = 0
const waiting: (() => void)[] = []

export const slots = {
  most: AT_ONCE,
  async take(): Promise<void> {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      admit()
    })
  },
  /** `took`: milliseconds, of a part that was sent. */
  leave(took?: number): void {
    busy -= 1
    if (took !== undefined && took < QUICK_MS) most = Math.min(most + 1, AT_ONCE)
    else if (took !== undefined && took > SLOW_MS) most = Math.max(most - 1, 1)
    admit()
  },
}

function admit(): void {
  while (busy < most && waiting.length) {
    busy += 1
    waiting.shift()?.()
  }
}
