/** What is live and announced on a channel, and what was. */
import { Radio } from 'lucide-preact'
import { type Channel, type Stream, api, ask } from '../../api/client'
import { useListing } from '../../api/queries'
import { channel as text, shell } from '../../text'
import { CardBones, Cards, More, StreamCard, VideoCard } from '../../ui/cards'
import { Failure, State } from '../../ui/page'
import { useVideos } from './videos'

export function Streams({ channel }: { channel: Channel | undefined }) {
  const streams = useListing<Stream>(
    ['streams', 'channel', channel?.id],
    (cursor) => ask(api.GET('/v1/channels/{channel_id}/streams', { params: { path: { channel_id: channel?.id ?? '' }, query: { limit: 50, cursor } } })),
    Boolean(channel),
  )
  // There is no list of recordings: they are among the videos.
  const videos = useVideos(channel, 'newest', 100)
  const past = videos.items.filter((each) => each.stream_id)
  if (streams.isPending || videos.isPending) return <CardBones count={4} />
  if (streams.isError && !streams.items.length) return <Failure error={streams.error} retry={streams.refetch} />
  if (videos.isError && !videos.items.length) return <Failure error={videos.error} retry={videos.refetch} />
  const live = streams.items.filter((each) => each.status === 'live')
  const coming = streams.items.filter((each) => each.status !== 'live' && each.starts_at)
  if (!live.length && !coming.length && !past.length && !streams.hasNextPage && !videos.hasNextPage) {
    return (
      <State icon={<Radio aria-hidden />} title={text.noStreamsTitle}>
        <p>{channel?.viewer?.role ? text.noStreamsOwn : text.noStreams}</p>
        {channel?.viewer?.role && <a class="button accent" href="/studio/live">{shell.goLive}</a>}
      </State>
    )
  }
  return (
    <div class="stack loose">
      <Part title={text.liveNow} streams={live} />
      <Part title={text.coming} streams={coming} />
      <More has={streams.hasNextPage} busy={streams.isFetchingNextPage} next={streams.fetchNextPage} />
      {past.length > 0 && (
        <section class="stack">
          <h2>{text.past}</h2>
          <Cards>{past.map((each) => <VideoCard key={each.id} video={each} />)}</Cards>
        </section>
      )}
      <More has={videos.hasNextPage} busy={videos.isFetchingNextPage} next={videos.fetchNextPage} />
    </div>
  )
}

function Part({ title, streams }: { title: string; streams: readonly Stream[] }) {
  if (!streams.length) return null
  return (
    <section class="stack">
      <h2>{title}</h2>
      <Cards>{streams.map((each) => <StreamCard key={each.id} stream={each} />)}</Cards>
    </section>
  )
}
