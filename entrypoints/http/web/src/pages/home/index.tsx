/** What is on: live now, what one began and what one follows, and the latest, of which there is always more. */
import { Clapperboard } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useLocation } from 'preact-iso'
import { api, ask } from '../../api/client'
import { useLive } from '../../api/channels'
import { FIRST } from '../../api/early'
import { useListing } from '../../api/queries'
import { me, unsure } from '../../api/session'
import { common, home, shell } from '../../text'
import { CardBones, Cards, More, Shelf, StreamCard, VideoCard, useGradual } from '../../ui/cards'
import { Failure, State, useTitle } from '../../ui/page'
import './home.css'
import { Topics } from './topics'
import { begun, useSteady } from './shelves'

const EAGER = 4 // how many are seen without scrolling

export default function Home() {
  const topic = useLocation().query.tag
  useTitle(topic ?? '')
  const known = me.value !== undefined || unsure.value
  const live = useLive()
  const feed = useQuery({ queryKey: ['feed', 'short'], queryFn: () => ask(api.GET('/v1/me/feed', { params: { query: { limit: 12 } } })), enabled: Boolean(me.value) })
  const history = useQuery({ queryKey: ['history', 'short'], queryFn: () => ask(api.GET('/v1/me/history', { params: { query: { limit: 24 } } })), enabled: Boolean(me.value) })
  const latest = useListing(['videos', 'latest'], (cursor) => ask(api.GET('/v1/videos', { params: { query: { ...FIRST.latest, cursor } } })))
  const shown = useGradual(latest.items)
  const streams = useSteady(live.data?.data)
  // All of it comes at once: what came later would push the rest down.
  const waiting = !known || latest.isPending || live.isPending || (Boolean(me.value) && (feed.isPending || history.isPending))
  if (waiting) return <Bones hero={me.value === null} />
  const unfinished = begun(history.data?.data ?? [])
  const followed = feed.data?.data ?? []
  return (
    <div class="page home">
      {me.value === null ? <Hero /> : <h1 class="hush">{home.title}</h1>}
      <Topics videos={latest.items} chosen={topic} />
      {topic ? <Topic key={topic} topic={topic} /> : (
        <>
          {streams.length > 0 && (
            <section class="stack">
              <h2>{home.live}</h2>
              <Shelf>{streams.map((each) => <StreamCard key={each.id} stream={each} />)}</Shelf>
            </section>
          )}
          {unfinished.length > 0 && (
            <section class="stack">
              <div class="row apart"><h2>{home.unfinished}</h2><a class="button small bare" href="/history">{home.all}</a></div>
              <Shelf>{unfinished.map((each) => <VideoCard key={each.id} video={each} eager />)}</Shelf>
            </section>
          )}
          {followed.length > 0 && (
            <section class="stack">
              <div class="row apart"><h2>{home.subscriptions}</h2><a class="button small bare" href="/subscriptions">{home.all}</a></div>
              <Shelf>{followed.map((each, place) => <VideoCard key={each.id} video={each} eager={place < EAGER} />)}</Shelf>
            </section>
          )}
          <section class="stack">
            <h2>{home.latest}</h2>
            {latest.isError && !latest.items.length ? <Failure error={latest.error} retry={latest.refetch} /> : latest.items.length ? (
              <Cards>{shown.map((each, place) => <VideoCard key={each.id} video={each} eager={place < EAGER} />)}</Cards>
            ) : (
              <State icon={<Clapperboard aria-hidden />} title={home.emptyTitle}>
                <p>{home.empty}</p>
                <a class="button accent" href="/studio/upload">{shell.upload}</a>
              </State>
            )}
            <More has={latest.hasNextPage && shown.length === latest.items.length} busy={latest.isFetchingNextPage} next={latest.fetchNextPage} />
          </section>
        </>
      )}
    </div>
  )
}

/** What this is, for who comes for the first time. */
function Hero() {
  return (
    <section class="hero">
      <div class="stack">
        <h1>{home.heroTitle}</h1>
        <p>{home.hero}</p>
      </div>
      <a class="button accent" href="/sign-up">{common.signUp}</a>
    </section>
  )
}

function Topic({ topic }: { topic: string }) {
  const videos = useListing(['videos', 'tag', topic], (cursor) => ask(api.GET('/v1/videos', { params: { query: { tag: topic, limit: 24, cursor } } })))
  if (videos.isPending) return <CardBones />
  if (videos.isError && !videos.items.length) return <Failure error={videos.error} retry={videos.refetch} />
  return (
    <section class="stack">
      <h2 class="person clip">{topic}</h2>
      {videos.items.length ? <Cards>{videos.items.map((each, place) => <VideoCard key={each.id} video={each} eager={place < EAGER} />)}</Cards> : (
        <State icon={<Clapperboard aria-hidden />} title={home.noneTitle}><a class="button" href="/">{home.everything}</a></State>
      )}
      <More has={videos.hasNextPage} busy={videos.isFetchingNextPage} next={videos.fetchNextPage} />
    </section>
  )
}

function Bones({ hero }: { hero: boolean }) {
  return (
    <div class="page home">
      {hero ? <Hero /> : <h1 class="hush">{home.title}</h1>}
      <div class="chips" aria-hidden>{Array.from({ length: 6 }, (_, place) => <span class="chip bone" key={place} />)}</div>
      <CardBones count={12} />
    </div>
  )
}
