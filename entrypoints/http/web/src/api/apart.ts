/** What keeps tabs and things apart, also where a page came neither over TLS nor from this machine, as to a phone beside it:
 * browsers keep locks and their own names for things from such pages; and from those that they let keep nothing, more. */

/** A name that nothing else has. */
export function unique(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, '0')).join('')
}

/** One tab at a time does it, the others wait; where there are no locks, each by itself. */
export async function alone<T>(name: string, act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const locks = navigator.locks as LockManager | undefined
  let begun = false
  try {
    if (locks) {
      return (await locks.request(name, signal ? { signal } : {}, () => {
        begun = true
        return act()
      })) as T
    }
  } catch (error) {
    if (begun || signal?.aborted) throw error
  }
  return act()
}

/** Tells the other tabs, and is told by them; by nobody where a browser keeps them apart. */
export function told<T>(name: string, hear: (said: T) => void): (said: T) => void {
  try {
    const tabs = new BroadcastChannel(name)
    tabs.onmessage = (event: MessageEvent<T>) => hear(event.data)
    return (said) => tabs.postMessage(said)
  } catch {
    return () => undefined
  }
}
