/** Whether the server answers. Browsers only know whether there is a network, and a server may be on this machine. */
import { signal } from '@preact/signals'

export const reachable = signal(true)

const LONGEST_S = 30
const SELDOM = 4 // turns: then every quarter of a minute at the least
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
  for (let turn = 0; !reachable.value; turn = Math.min(turn + 1, SELDOM)) {
    await pause(turn)
    if (reachable.value) break
    await fetch('/healthz', { cache: 'no-store' }).then(answered, () => undefined)
  }
  looking = false
}

/** Waits before the next try: longer each time, at once when the network says that it is back. */
export function pause(turn: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const seconds = Math.min(LONGEST_S, 2 ** turn) * (0.5 + Math.random() / 2)
    const timer = setTimeout(end, seconds * 1000)
    addEventListener('online', end)
    stop?.addEventListener('abort', end)
    function end(): void {
      clearTimeout(timer)
      removeEventListener('online', end)
      stop?.removeEventListener('abort', end)
      resolve()
    }
  })
}
