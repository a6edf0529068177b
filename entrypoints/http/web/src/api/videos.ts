/** Videos, and what people think of them: what is shown changes at once, and back again where the API refuses. */
import { type InfiniteData, useQuery } from '@tanstack/preact-query'
import { type Schemas, type Video, api, ask } from './client'
import { type Listing, queries } from './queries'

export type Reaction = Schemas['Reaction']

const AGAIN_MS = 2_000
const key = (id: string) => ['video', id] as const
const path = (id: string) => ({ params: { path: { video_id: id } } })

/** A video has one place, for whoever watches it and for whoever edits it. */
export const detail = (id: string) => ({
  queryKey: key(id),
  queryFn: () => ask(api.GET('/v1/videos/{video_id}', path(id))),
})

/** Shows a video as it was answered. */
export function keep(video: Video): void {
  queries.setQueryData(key(video.id), video)
}

/** Has what is shown of it in the studio and on its page asked for again. */
export function look(id: string | undefined): void {
  void queries.invalidateQueries({ predicate: ({ queryKey: [kind, of] }) => kind === 'studio' || (kind === 'video' && of === id) })
}

export function prefetchVideo(id: string): void {
  void queries.prefetchQuery(detail(id))
}

/** A video; until it is there, as a list had it. Asked for again while it is processed. */
export function useVideo(id: string) {
  return useQuery({
    ...detail(id),
    placeholderData: () => listed(id),
    refetchInterval: ({ state }) => (state.data && under(state.data) ? AGAIN_MS : false),
  })
}

export function under({ processing }: Video): boolean {
  return processing.state !== 'ready' && processing.state !== 'failed'
}

/** What a list that was read has of it. */
function listed(id: string): Video | undefined {
  for (const [, data] of queries.getQueriesData<InfiniteData<Listing<unknown>> | Listing<unknown> | string | null | undefined>({})) {
    if (typeof data !== 'object' || data === null) continue
    const pages = 'pages' in data ? data.pages : [data]
    for (const page of pages) {
      const found = Array.isArray(page.data) ? page.data.find((each) => (each as Partial<Video> | null)?.id === id) : undefined
      if (found && 'processing' in (found as Video)) return found as Video
    }
  }
  return undefined
}

export function useChapters(id: string, enabled: boolean) {
  return useQuery({
    queryKey: ['chapters', id],
    queryFn: async () => (await ask(api.GET('/v1/videos/{video_id}/chapters', path(id)))).data,
    enabled,
  })
}

export function useCaptions(id: string, enabled: boolean) {
  return useQuery({
    queryKey: ['captions', id],
    queryFn: async () => (await ask(api.GET('/v1/videos/{video_id}/captions', path(id)))).data,
    enabled,
  })
}

/** Likes or dislikes, or (null) takes it back. Throws Problem. */
export async function react(id: string, reaction: Reaction | null): Promise<void> {
  await queries.cancelQueries({ queryKey: key(id) })
  const before = queries.getQueryData<Video>(key(id))
  if (before) queries.setQueryData(key(id), reacted(before, reaction))
  try {
    await ask(reaction ? api.PUT('/v1/videos/{video_id}/reaction', { ...path(id), body: { value: reaction } }) : api.DELETE('/v1/videos/{video_id}/reaction', path(id)))
  } catch (error) {
    queries.setQueryData(key(id), before)
    throw error
  }
}

function reacted(video: Video, reaction: Reaction | null): Video {
  const was = video.viewer?.reaction ?? null
  const change = (kind: Reaction) => Number(reaction === kind) - Number(was === kind)
  return {
    ...video,
    counts: { ...video.counts, likes: video.counts.likes + change('like'), dislikes: video.counts.dislikes + change('dislike') },
    viewer: { position_s: null, ...video.viewer, reaction },
  }
}

/** A comment came or went. */
export function counted(id: string, change: number): void {
  queries.setQueryData<Video>(key(id), (video) => video && { ...video, counts: { ...video.counts, comments: Math.max(0, video.counts.comments + change) } })
}
