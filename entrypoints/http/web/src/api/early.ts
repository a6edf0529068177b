/** What a page asks for first is asked for while its code is still on the way. Only for nobody in particular: who is
 * signed in needs a token before. */
import { KEPT, kept } from '../kept'

/** The first requests of the home page. */
export const FIRST = {
  latest: { limit: 24 },
  live: { status: 'live', limit: 50 },
} as const

const PICTURES = 3

const begun = new Map<string, Promise<Response>>()

export function begin(path: string): void {
  if (kept(KEPT.signedIn)) return
  const video = /^\/(?:watch|embed)\/(vid_[^/]+)$/.exec(path)?.[1]
  if (video) void ask(new URL(`/v1/videos/${video}`, location.origin)).then(lookAt).catch(() => undefined)
  if (path !== '/') return
  for (const [at, query] of [['/v1/streams', FIRST.live], ['/v1/videos', FIRST.latest]] as const) {
    const url = new URL(at, location.origin)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
    const answer = ask(url)
    if (query === FIRST.latest) void answer.then(look).catch(() => undefined)
  }
}

function ask(url: URL): Promise<Response> {
  const answer = fetch(url)
  answer.catch(() => undefined) // whoever takes it is told
  begun.set(url.href, answer)
  return answer
}

interface Pictured {
  poster_url?: string | null
}

/** Begins to fetch the pictures that are seen first. */
async function look(answer: Response): Promise<void> {
  const { data } = (await answer.clone().json()) as { data?: readonly Pictured[] }
  data?.slice(0, PICTURES).forEach(fetchPicture)
}

async function lookAt(answer: Response): Promise<void> {
  fetchPicture((await answer.clone().json()) as Pictured)
}

function fetchPicture({ poster_url }: Pictured): void {
  const picture = new Image()
  picture.fetchPriority = 'high'
  if (poster_url) picture.src = poster_url
}

/** The answer that is on its way already, once. */
export function taken(request: Request): Promise<Response> | undefined {
  const answer = request.method === 'GET' ? begun.get(request.url) : undefined
  if (answer) begun.delete(request.url)
  return answer
}
