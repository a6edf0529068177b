/** Who is signed in. The refresh token lives in a cookie that no script can read, the access token in memory only. */
import { signal } from '@preact/signals'
import { KEPT, keep, kept } from '../kept'
import { alone, told } from './apart'
import type { Me } from './client'
import { pause, unanswered, whenBack } from './reach'

const EARLY_MS = 30_000
/** Held by the tab that changes the cookie: an answer that comes late must not undo a newer one. */
const LOCK = 'hexcast.session'

interface Token {
  value: string
  until: number
}

/** Undefined until it is known, null for nobody. */
export const me = signal<Me | null | undefined>(kept(KEPT.signedIn) ? undefined : null)

/** Whether nobody could say who that is: it is asked again until somebody can, and pages do without meanwhile. */
export const unsure = signal(false)

/** Whether they keep order on the whole platform. */
export function keepsOrder(): boolean {
  return me.value?.roles.some((each) => each === 'moderator' || each === 'admin') ?? false
}

let token: Token | null = null
let renewing: Promise<void> | null = null
let asking = new AbortController()
const tell = told<Token | 'in' | 'out'>('hexcast.session', (said) => {
  if (said === 'in') {
    me.value = undefined
    void session.know()
  } else if (said === 'out') {
    token = null
    unsure.value = false
    me.value = null
    partings.forEach((act) => act())
  } else {
    token = said
  }
})

const partings = new Set<() => void>()

/** Calls whenever somebody signs out, in whichever tab; not where a session just runs out. */
export function whenOut(act: () => void): void {
  partings.add(act)
}

async function post(path: string, body: object): Promise<Response> {
  return fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

function take(tokens: { access_token: string; expires_in_s: number }): void {
  token = { value: tokens.access_token, until: Date.now() + tokens.expires_in_s * 1000 }
  keep(KEPT.signedIn, '1')
  tell(token)
}

function drop(): void {
  token = null
  unsure.value = false
  me.value = null
  keep(KEPT.signedIn, null)
}

/** Asks for a new access token: what another tab got meanwhile will do. Throws where there is neither one nor a no. */
async function refresh(bad: string | null): Promise<void> {
  await alone(LOCK, async () => {
    if (token && token.value !== bad && token.until - EARLY_MS > Date.now()) return
    const answer = await post('/v1/auth/refresh', {})
    if (answer.ok) take(await answer.json())
    else if (answer.status === 401 || answer.status === 403) drop()
    else throw new Error('no token now')
  })
}

/** A token that works still, or null for nobody. */
async function valid(): Promise<string | null> {
  if (!session.signedIn) return null
  if (!token || token.until - EARLY_MS <= Date.now()) {
    await session.renew(token?.value ?? null).catch((error: unknown) => {
      if (!token || token.until <= Date.now()) throw error
    })
  }
  return token ? (token as Token).value : null
}

/** Who the session is of. */
async function load(): Promise<void> {
  const own = await valid()
  if (!own) return
  const answer = await fetch('/v1/me', { headers: { authorization: `Bearer ${own}` } })
  if (answer.ok) me.value = await answer.json()
  else if (answer.status === 401) drop()
  else throw new Error('nobody says who it is')
}

export const session = {
  get signedIn(): boolean {
    return me.value !== null
  },

  /** Whether somebody is signed in, known or not. */
  get holds(): boolean {
    return token !== null
  },

  /** The access token, or null for nobody, and for somebody not known yet whom there is no telling now. Throws where there is
   * no new one for somebody known. */
  async token(): Promise<string | null> {
    if (unsure.peek() && !token) return null
    return valid().catch((error: unknown) => {
      if (me.peek() !== undefined) throw error
      return null
    })
  },

  /** A new token in the place of a bad one (given as the token or as the header that carried it). */
  async renew(bad: string | null): Promise<void> {
    renewing ??= refresh(bad?.replace(/^Bearer /, '') ?? null).finally(() => {
      renewing = null
    })
    await renewing
  },

  /** Answers with the problem's body where it is refused. */
  async signIn(email: string, password: string): Promise<Response> {
    const answer = await alone(LOCK, async () => {
      const given = await post('/v1/auth/sign-in', { email, password, session: 'cookie' })
      if (given.ok) take(await given.clone().json())
      return given
    })
    if (answer.ok) {
      me.value = undefined
      tell('in')
      await session.know()
    }
    return answer
  },

  async signOut(): Promise<void> {
    const answer = await alone(LOCK, () => post('/v1/auth/sign-out', {}))
    if (answer.status === 429 || answer.status >= 500) throw new Error('the session is not over') // its cookie is still there
    drop()
    tell('out')
    partings.forEach((act) => act())
  },

  /** Finds out who it is of; where that cannot be told now, again until it can. */
  async know(turn = 0): Promise<void> {
    asking.abort()
    const { signal } = (asking = new AbortController())
    try {
      await load()
      unsure.value = false
    } catch (error) {
      if (me.peek() !== undefined) return
      unsure.value = true
      if (error instanceof TypeError) unanswered()
      else void pause(turn, signal).then(() => signal.aborted || again(turn + 1))
    }
  },
}

const again = (turn?: number) => me.peek() === undefined && void session.know(turn)
whenBack(again)
