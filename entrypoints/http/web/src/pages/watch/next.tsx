/** What to watch next: more of the channel, then the latest of all. */
import { useQuery } from '@tanstack/preact-query'
import { Film } from 'lucide-preact'
import { type Video, api, ask } from '../../api/client'
import { ago, common, duration, watch as text } from '../../text'
import { to } from '../../ui/link'

const SHOWN = 14
const OF_CHANNEL = 5

export interface Upcoming {
  videos: readonly Video[]
  first: Video | undefined
  waits: boolean
}

export function useNext(video: Video | undefined, enabled: boolean): Upcoming {
  const channel = video?.channel.id
  const same = useQuery({
    queryKey: ['videos', 'beside', channel],
    queryFn: () => ask(api.GET('/v1/channels/{channel_id}/videos', { params: { path: { channel_id: channel ?? '' }, query: { limit: 12 } } })),
    enabled: enabled && Boolean(channel),
  })
  const latest = useQuery({
    queryKey: ['videos', 'beside'],
    queryFn: () => ask(api.GET('/v1/videos', { params: { query: { limit: 24 } } })),
    enabled,
  })
  const playable = (each: Video) => each.id !== video?.id && each.renditions.length > 0 && each.visibility === 'public'
  const own = (same.data?.data ?? []).filter(playable)
  // Of the channel, what came after this one: its newest is more often known already.
  const later = own.filter((each) => video && each.created_at > video.created_at).reverse()
  const chosen = [...later, ...own.filter((each) => !later.includes(each))].slice(0, OF_CHANNEL)
  const others = (latest.data?.data ?? []).filter((each) => playable(each) && !chosen.some(({ id }) => id === each.id))
  const videos = [...chosen, ...others].slice(0, SHOWN)
  return { videos, first: videos[0], waits: latest.isPending || same.isPending }
}

export function Next({ next }: { next: Upcoming }) {
  return (
    <section class="stack">
      <h2>{text.next}</h2>
      {next.waits ? <Bones /> : next.videos.length ? <ul class="stack">{next.videos.map((each) => <li key={each.id}><Beside video={each} /></li>)}</ul> : <p class="soft">{text.noNext}</p>}
    </section>
  )
}

function Beside({ video }: { video: Video }) {
  const when = video.published_at ?? video.created_at
  return (
    <article class="card flat">
      <div class="frame">
        {video.poster_url ? <img src={video.poster_url} alt="" loading="lazy" decoding="async" /> : <span class="blank"><Film aria-hidden /></span>}
        {video.duration_s ? <span class="tag">{duration(video.duration_s)}</span> : null}
      </div>
      <div class="about"><div>
        <h3 class="clip-2"><a href={to.watch(video)} class="person">{video.title}</a></h3>
        <p class="meta clip person">{video.channel.name}</p>
        <p class="meta clip">{common.views(video.counts.views)} · <time dateTime={when}>{ago(when)}</time></p>
      </div></div>
    </article>
  )
}

function Bones() {
  return (
    <div class="stack" role="status" aria-label={common.loading}>
      {Array.from({ length: 6 }, (_, place) => (
        <div class="card flat" key={place} aria-hidden>
          <div class="frame bone" />
          <div class="about"><div><span class="bone">&nbsp;</span><span class="bone meta">&nbsp;</span></div></div>
        </div>
      ))}
    </div>
  )
}
