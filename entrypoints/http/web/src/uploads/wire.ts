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
let free = AT_ONCE
const waiting: (() => void)[] = []

export const slots = {
  most: AT_ONCE,
  async take(): Promise<void> {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
  },
  leave(): void {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  },
}
