/** /search?q=&type=: videos and channels, the best first. */
import { Clock, Search as SearchIcon, SearchX } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useEffect } from 'preact/hooks'
import { type Schemas, api, ask } from '../api/client'
import { liveChannels, useLive } from '../api/channels'
import { queries, useListing } from '../api/queries'
import { search as text } from '../text'
import { CardBones, More, Rows, VideoRow } from '../ui/cards'
import { ChannelRow } from '../ui/channel-row'
import { to } from '../ui/link'
import { Failure, State, useTitle } from '../ui/page'
import { SearchBox } from '../ui/search'
import { searches } from '../ui/searches'

import './search.css'

type Kind = Schemas['Found']
const KINDS = [undefined, 'video', 'channel'] as const

export default function Search() {
  const { query } = useLocation()
  const words = (query.q ?? '').trim()
  const kind = KINDS.find((each) => each !== undefined && each === query.type)
  useTitle(text.title(words))
  return (
    <div class="page middle">
      <div class="only-narrow"><SearchBox autofocus={!words} /></div>
      {words ? <Results key={`${kind ?? ''} ${words}`} words={words} kind={kind} /> : <Begin />}
    </div>
  )
}

function Results({ words, kind }: { words: string; kind: Kind | undefined }) {
  useEffect(() => scrollTo(0, 0), [])
  const live = liveChannels(useLive().data?.data)
  const found = useListing(['search', words, kind ?? 'all'], async (cursor) => {
    const page = await ask(api.GET('/v1/search', { params: { query: { q: words, type: kind, limit: 20, cursor } } }))
    for (const each of page.data) if (each.type === 'channel') queries.setQueryData(['channels', each.channel.id], each.channel)
    return page
  })
  const nothing = !found.isPending && !found.isError && !found.items.length && !found.hasNextPage
  return (
    <>
      <div class="stack">
        <h1 class="small soft clip">{text.results(words)}</h1>
        <nav class="chips" aria-label={text.kinds.label}>
          {KINDS.map((each) => (
            <a class="chip" key={each ?? 'all'} href={to.search(words) + (each ? `&type=${each}` : '')} aria-current={each === kind ? 'true' : undefined}>{text.kinds[each ?? 'all']}</a>
          ))}
        </nav>
      </div>
      {found.isPending && <CardBones look="rows" count={6} />}
      {found.isError && !found.items.length && <Failure error={found.error} retry={found.refetch} />}
      {nothing && (
        <State icon={<SearchX aria-hidden />} title={text.noneTitle(words)}>
          <p>{text.none}</p>
          {kind && <a class="button" href={to.search(words)}>{text.everything}</a>}
        </State>
      )}
      <Rows>
        <h2 class="hush">{text.kinds[kind ?? 'all']}</h2>
        {found.items.map((each, place) =>
          each.type === 'video' ? <VideoRow key={each.video.id} video={each.video} eager={place < 3} /> : <ChannelRow key={each.channel.id} channel={each.channel} live={live.has(each.channel.id)} large />,
        )}
      </Rows>
      <More has={found.hasNextPage} busy={found.isFetchingNextPage} next={found.fetchNextPage} />
    </>
  )
}

function Begin() {
  return (
    <>
      <h1 class="hush">{text.search}</h1>
      {searches.value.length > 0 ? (
        <section class="stack">
          <h2>{text.before}</h2>
          <ul class="before">
            {searches.value.map((each) => <li key={each}><a href={to.search(each)}><Clock aria-hidden /><span class="person clip">{each}</span></a></li>)}
          </ul>
        </section>
      ) : (
        <State icon={<SearchIcon aria-hidden />} title={text.beginTitle}><p>{text.begin}</p></State>
      )}
    </>
  )
}
