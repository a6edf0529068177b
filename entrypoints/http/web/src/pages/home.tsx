import { Clapperboard } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { api, ask } from '../api/client'
import { useListing } from '../api/queries'
import { me } from '../api/session'
import { home, shell } from '../text'
import { CardBones, Cards, More, StreamCard, VideoCard } from '../ui/cards'
import { Failure, State, useTitle } from '../ui/page'

export default function Home() {
  useTitle('')
  const live = useQuery({ queryKey: ['streams', 'live'], queryFn: () => ask(api.GET('/v1/streams', { params: { query: { status: 'live', limit: 8 } } })) })
  const feed = useQuery({ queryKey: ['feed', 'short'], queryFn: () => ask(api.GET('/v1/me/feed', { params: { query: { limit: 4 } } })), enabled: Boolean(me.value) })
  const latest = useListing(['videos', 'latest'], (cursor) => ask(api.GET('/v1/videos', { params: { query: { limit: 24, cursor } } })))
  return (
    <div class="page">
      <h1 class="hush">{home.title}</h1>
      {live.data && live.data.data.length > 0 && (
        <section class="stack">
          <h2>{home.live}</h2>
          <Cards>{live.data.data.map((each) => <StreamCard key={each.id} stream={each} />)}</Cards>
        </section>
      )}
      {feed.data && feed.data.data.length > 0 && (
        <section class="stack">
          <h2>{home.subscriptions}</h2>
          <Cards>{feed.data.data.map((each) => <VideoCard key={each.id} video={each} />)}</Cards>
        </section>
      )}
      <section class="stack">
        <h2>{home.latest}</h2>
        {latest.isPending ? <CardBones /> : latest.isError && !latest.items.length ? <Failure error={latest.error} retry={latest.refetch} /> : latest.items.length ? (
          <Cards>{latest.items.map((each, place) => <VideoCard key={each.id} video={each} eager={place < 4} />)}</Cards>
        ) : (
          <State icon={<Clapperboard aria-hidden />} title={home.emptyTitle}>
            <p>{home.empty}</p>
            <a class="button accent" href="/studio/upload">{shell.upload}</a>
          </State>
        )}
        <More has={latest.hasNextPage} busy={latest.isFetchingNextPage} next={latest.fetchNextPage} />
      </section>
    </div>
  )
}
