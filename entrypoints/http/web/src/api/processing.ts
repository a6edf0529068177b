/** How the processing of a video goes, as it goes. The one place that knows how that is heard. */
import { useQuery } from '@tanstack/preact-query'
import { api, ask, type Video } from './client'

const EVERY_MS = 2_000
export const videoKey = (id: string) => ['studio', 'video', id] as const

export const processed = (video: Video): boolean => video.processing.state === 'ready' || video.processing.state === 'failed'

/** A video of one's own. `live`: followed for as long as it is being processed. */
export function useVideo(id: string, live = false) {
  return useQuery({
    queryKey: videoKey(id),
    queryFn: () => ask(api.GET('/v1/videos/{video_id}', { params: { path: { video_id: id } } })),
    refetchInterval: (query) => (live && query.state.data && !processed(query.state.data) ? EVERY_MS : false),
  })
}
