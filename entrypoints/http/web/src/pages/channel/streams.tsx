import { Radio } from 'lucide-preact'
import { type Channel, type Stream, api, ask } from '../../api/client'
import { useListing } from '../../api/queries'
import { channel as text, shell } from '../../text'
import { CardBones, Cards, More, StreamCard } from '../../ui/cards'
import { Failure, State } from '../../ui/page'

export function Streams({ channel }: { channel: Channel | undefined }) {
  const streams = useListing<Stream>(
    ['streams', 'channel', channel?.id],
    (cursor) => ask(api.GET('/v1/channels/{channel_id}/streams', { params: { path: { channel_id: channel?.id ?? '' }, query: { limit: 50, cursor } } })),
    Boolean(channel),
  )
  if (streams.isPending) return <CardBones count={4} />
  if (streams.isError && !streams.items.length) return <Failure error={streams.error} retry={streams.refetch} />
  const live = streams.items.filter((each) => each.status === 'live')
  const coming = streams.items.filter((each) => each.status !== 'live' && each.starts_at)
  if (!live.length && !coming.length && !streams.hasNextPage) {
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
