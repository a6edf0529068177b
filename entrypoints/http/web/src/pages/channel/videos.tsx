import { Film } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { type Channel, api, ask } from '../../api/client'
import { useListing } from '../../api/queries'
import { channel as text, shell } from '../../text'
import { CardBones, Cards, More, VideoCard } from '../../ui/cards'
import { Failure, State } from '../../ui/page'

type Sort = 'newest' | 'oldest'

export function useVideos(channel: Channel | undefined, sort: Sort, limit = 24) {
  return useListing(
    ['videos', 'channel', channel?.id, sort, limit],
    (cursor) => ask(api.GET('/v1/videos', { params: { query: { channel: channel?.id, sort, limit, cursor } } })),
    Boolean(channel),
  )
}

export function Videos({ channel }: { channel: Channel | undefined }) {
  const { path, query } = useLocation()
  const sort = query.sort === 'oldest' ? 'oldest' : 'newest'
  const videos = useVideos(channel, sort)
  if (videos.isPending) return <section class="stack"><Sorts path={path} sort={sort} /><CardBones /></section>
  if (videos.isError && !videos.items.length) return <Failure error={videos.error} retry={videos.refetch} />
  if (!videos.items.length) {
    return (
      <State icon={<Film aria-hidden />} title={text.noVideosTitle}>
        <p>{channel?.viewer?.role ? text.noVideosOwn : text.noVideos}</p>
        {channel?.viewer?.role && <a class="button accent" href="/studio/upload">{shell.upload}</a>}
      </State>
    )
  }
  return (
    <section class="stack">
      <h2 class="hush">{text.tabs.videos}</h2>
      <Sorts path={path} sort={sort} />
      <Cards>{videos.items.map((each, place) => <VideoCard key={each.id} video={each} eager={place < 4} />)}</Cards>
      <More has={videos.hasNextPage} busy={videos.isFetchingNextPage} next={videos.fetchNextPage} />
    </section>
  )
}

function Sorts({ path, sort }: { path: string; sort: Sort }) {
  return (
    <nav class="chips" aria-label={text.sort}>
      <a class="chip" href={path} aria-current={sort === 'newest' ? 'true' : undefined}>{text.newest}</a>
      <a class="chip" href={`${path}?sort=oldest`} aria-current={sort === 'oldest' ? 'true' : undefined}>{text.oldest}</a>
    </nav>
  )
}
