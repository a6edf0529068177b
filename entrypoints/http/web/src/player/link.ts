/** A link to play that runs out, and is renewed while it is used: nothing is loaded again, what comes next has the new one. */

export interface Grant {
  url: string
  /** When it runs out; none where it does not. */
  until?: string | undefined
  /** Whether a cookie gives leave, which goes to another origin only where that is asked for. */
  cookies?: boolean | undefined
}

const LEAST_MS = 30_000
const SHARE = 0.85

export class Link {
  readonly first: string
  readonly cookies: boolean
  #latest: string
  /** How addresses below an earlier link become such below the next. */
  readonly #moves: [from: string, to: string][] = []
  readonly #renewal: (() => Promise<Grant>) | undefined
  #running: Promise<void> | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #renewedAt = 0

  constructor(grant: Grant, renewal?: () => Promise<Grant>) {
    this.first = this.#latest = grant.url
    this.cookies = grant.cookies ?? false
    this.#renewal = renewal
    this.#schedule(grant)
  }

  /** What to load in the place of an address that a playlist named. Waits for a link that is being renewed. */
  async address(url: string): Promise<string> {
    await this.#running
    return this.#moves.reduce((at, [from, to]) => (at.startsWith(from) ? to + at.slice(from.length) : at), url)
  }

  /** Asks for the next link, unless that is under way or was done just now. */
  renew(): Promise<void> {
    if (!this.#renewal || Date.now() - this.#renewedAt < LEAST_MS) return Promise.resolve()
    this.#running ??= this.#renewal()
      .then((grant) => {
        this.#renewedAt = Date.now()
        this.#move(grant.url)
        this.#schedule(grant)
      })
      .catch(() => this.#schedule()) // the link may still work, and what is refused asks again
      .finally(() => {
        this.#running = null
      })
    return this.#running
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  /** Links to the same file differ in what they begin with. */
  #move(url: string): void {
    let same = 0
    while (same < Math.min(url.length, this.#latest.length) && url.at(-1 - same) === this.#latest.at(-1 - same)) same++
    if (url !== this.#latest) this.#moves.push([this.#latest.slice(0, -same || undefined), url.slice(0, -same || undefined)])
    this.#latest = url
  }

  #schedule(grant?: Grant): void {
    clearTimeout(this.#timer)
    if (!this.#renewal || (grant && !grant.until)) return
    const left = grant?.until ? new Date(grant.until).getTime() - Date.now() : 0
    this.#timer = setTimeout(() => void this.renew(), Math.max(LEAST_MS, left * SHARE))
  }
}
