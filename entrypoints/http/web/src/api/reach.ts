/** Whether the server answers. Browsers only know whether there is a network, and a server may be on this machine. */
import { signal } from '@preact/signals'

export const reachable = signal(true)

const FIRST_MS = 1_000
const MOST_MS = 15_000
const back = new Set<() => void>()
let looking = false

/** Calls whenever the server answers again. */
export function whenBack(act: () => void): void {
  back.add(act)
}

export function answered(): void {
  if (reachable.value) return
  reachable.value = true
  back.forEach((act) => act())
}

export function unanswered(): void {
  reachable.value = false
  if (!looking) void look()
}

/** Until there is an answer, more and more seldom; at once when there is a network again. */
async function look(): Promise<void> {
  looking = true
  for (let wait = FIRST_MS; !reachable.value; wait = Math.min(wait * 2, MOST_MS)) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, wait)
      addEventListener('online', end)
      function end(): void {
        clearTimeout(timer)
        removeEventListener('online', end)
        resolve()
      }
    })
    if (reachable.value) break
    await fetch('/healthz', { cache: 'no-store' }).then(answered, () => undefined)
  }
  looking = false
}
