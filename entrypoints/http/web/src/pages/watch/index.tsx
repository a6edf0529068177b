import { useQuery } from '@tanstack/preact-query'
import { useRoute } from 'preact-iso'
import { api, ask } from '../../api/client'
import { Player } from '../../player/player'

export default function Watch() {
  const { id = '' } = useRoute().params
  const video = useQuery({ queryKey: ['video', id], queryFn: () => ask(api.GET('/v1/videos/{video_id}', { params: { path: { video_id: id } } })) })
  const grant = useQuery({ queryKey: ['sitting', id], queryFn: () => ask(api.POST('/v1/videos/{video_id}/playback-sessions', { params: { path: { video_id: id } }, body: { mode: 'cookie' } })) })
  return (
    <div class="page">
      <Player title={video.data?.title ?? ''} poster={video.data?.poster_url} storyboard={video.data?.storyboard_url} grant={grant.data && { url: grant.data.manifest_url, until: grant.data.expires_at }} />
      <h1>{video.data?.title}</h1>
    </div>
  )
}
