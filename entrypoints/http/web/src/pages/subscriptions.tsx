/** What the channels one follows published, and which they are. */
import { Users, Video } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { api, ask } from '../api/client'
import { liveChannels, useLive } from '../api/channels'
import { queries, useListing } from '../api/queries'
import { common, subscriptions as text } from '../text'
import { CardBones, Cards, More, Rows, Shelf, StreamCard, VideoCard } from '../ui/cards'
import { ChannelRow } from '../ui/channel-row'
import { Failure, State, useTitle } from '../ui/page'
import { SignedIn } from '../ui/signed-in'

export default function Subscriptions() {
  const channels = useLocation().query.view === 'channels'
  useTitle(channels ? text.channels : text.title)
  return (
    <div class={channels ? 'page middle' : 'page'}>
      <h1>{text.title}</h1>
      <nav class="tabs" aria-label={text.parts}>
        <a href="/subscriptions" aria-current={channels ? undefined : 'page'}>{text.latest}</a>
        <a href="/subscriptions?view=channels" aria-current={channels ? 'page' : undefined}>{text.channels}</a>
      </nav>
      <SignedIn headed waiting={channels ? <ChannelBones /> : <CardBones count={12} />}>{() => (channels ? <Channels /> : <Feed />)}</SignedIn>
    </div>
  )
}

function Feed() {
  const live = useLive()
  const feed = useListing(['feed', 'list'], (cursor) => ask(api.GET('/v1/me/feed', { params: { query: { limit: 24, cursor } } })))
  const followed = useChannels()
  const ids = new Set(followed.items.map((each) => each.channel.id))
  const streams = live.data?.data.filter((each) => ids.has(each.channel.id)) ?? []
  if (feed.isPending || live.isPending || followed.isPending) return <CardBones count={12} />
  if (feed.isError && !feed.items.length) return <Failure error={feed.error} retry={feed.refetch} />
  if (!feed.items.length && !streams.length) return ids.size ? <State icon={<Video aria-hidden />} title={text.noVideosTitle}><p>{text.noVideos}</p></State> : <Nobody />
  return (
    <>
      {streams.length > 0 && (
        <section class="stack">
          <h2>{text.live}</h2>
          <Shelf>{streams.map((each) => <StreamCard key={each.id} stream={each} />)}</Shelf>
        </section>
      )}
      <section class="stack">
        <h2 class={streams.length ? undefined : 'hush'}>{text.latest}</h2>
        <Cards>{feed.items.map((each, place) => <VideoCard key={each.id} video={each} eager={place < 4} />)}</Cards>
        <More has={feed.hasNextPage} busy={feed.isFetchingNextPage} next={feed.fetchNextPage} />
      </section>
    </>
  )
}

function Channels() {
  const live = liveChannels(useLive().data?.data)
  const followed = useChannels()
  if (followed.isPending) return <ChannelBones />
  if (followed.isError && !followed.items.length) return <Failure error={followed.error} retry={followed.refetch} />
  if (!followed.items.length) return <Nobody />
  return (
    <section class="stack">
      <h2 class="hush">{text.channels}</h2>
      <Rows>{followed.items.map(({ channel }) => <ChannelRow key={channel.id} channel={channel} live={live.has(channel.id)} />)}</Rows>
      <More has={followed.hasNextPage} busy={followed.isFetchingNextPage} next={followed.fetchNextPage} />
    </section>
  )
}

function ChannelBones() {
  return (
    <div class="rows" role="status" aria-label={common.loading}>
      {Array.from({ length: 6 }, (_, place) => <div class="channel-row" key={place} aria-hidden><span class="avatar bone" /><p class="bone grow">&nbsp;</p></div>)}
    </div>
  )
}

function useChannels() {
  return useListing(['subscriptions', 'list'], async (cursor) => {
    const page = await ask(api.GET('/v1/me/subscriptions', { params: { query: { limit: 50, cursor } } }))
    for (const { channel } of page.data) queries.setQueryData(['channels', channel.id], channel)
    return page
  })
}

function Nobody() {
  return (
    <State icon={<Users aria-hidden />} title={text.nobodyTitle}>
      <p>{text.nobody}</p>
      <a class="button accent" href="/">{text.look}</a>
    </State>
  )
}
