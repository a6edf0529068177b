/** What a page asks for first is asked for while its code is still on the way. Only for nobody in particular: who is
 * signed in needs a token before. */
import { KEPT } from '../kept'

/** The first requests of the home page. */
export const FIRST = {
  latest: { limit: 24 },
  live: { status: 'live', limit: 50 },
} as const

const PICTURES = 3

const begun = new Map<string, Promise<Response>>()

export function begin(path: string): void {
  if (path !== '/' || localStorage.getItem(KEPT.signedIn)) return
  for (const [at, query] of [['/v1/streams', FIRST.live], ['/v1/videos', FIRST.latest]] as const) {
    const url = new URL(at, location.origin)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
    const answer = fetch(url)
    answer.catch(() => undefined) // whoever takes it is told
    begun.set(url.href, answer)
    if (query === FIRST.latest) void answer.then(look).catch(() => undefined)
  }
}

/** Begins to fetch the pictures that are seen first. */
async function look(answer: Response): Promise<void> {
  const { data } = (await answer.clone().json()) as { data?: readonly { poster_url: string | null }[] }
  for (const { poster_url } of data?.slice(0, PICTURES) ?? []) {
    const picture = new Image()
    picture.fetchPriority = 'high'
    if (poster_url) picture.src = poster_url
  }
}

/** The answer that is on its way already, once. */
export function taken(request: Request): Promise<Response> | undefined {
  const answer = request.method === 'GET' ? begun.get(request.url) : undefined
  if (answer) begun.delete(request.url)
  return answer
}
