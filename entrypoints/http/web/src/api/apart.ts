/** What keeps tabs and things apart, also where a page came neither over TLS nor from this machine, as to a phone beside it:
 * browsers keep locks and their own names for things from such pages. */

/** A name that nothing else has. */
export function unique(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, '0')).join('')
}

/** One tab at a time does it, the others wait; where there are no locks, each by itself. */
export function alone<T>(name: string, act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const locks = navigator.locks as LockManager | undefined
  return locks ? (locks.request(name, signal ? { signal } : {}, act) as Promise<T>) : act()
}
