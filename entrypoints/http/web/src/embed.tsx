/** The player in other people's pages: a picture and a way to play, and all else only once it is asked for. */
import { QueryClientProvider } from '@tanstack/preact-query'
import { Play } from 'lucide-preact'
import { render } from 'preact'
import { Suspense, lazy } from 'preact/compat'
import { useState } from 'preact/hooks'
import { missing } from './api/client'
import { queries } from './api/queries'
import { useStream } from './api/streams'
import { useVideo } from './api/videos'
import { common, duration, embed as text } from './text'
import { useTitle } from './ui/page'
import './styles/tokens.css'
import './styles/base.css'
import './styles/ui.css'
import './embed.css'

const load = () => import('./embedded')
const Embedded = lazy(load)
const loadStage = () => import('./live/stage').then(({ Stage }) => ({ default: Stage }))
const Stage = lazy(loadStage)

const LIVE_MS = 10_000
const IDLE_MS = 5_000

function Embed({ id, query }: { id: string; query: URLSearchParams }) {
  const { data: video, isError } = useVideo(id)
  const byItself = query.get('autoplay') === '1'
  const [plays, setPlays] = useState(byItself)
  useTitle(video?.title)
  if (isError && !video) return <Away />
  const cover = (
    <main class="cover">
      {video?.poster_url && <img src={video.poster_url} alt="" />}
      <Heading href={`/watch/${id}`} title={video?.title} />
      {video && video.renditions.length > 0 && (
        <button type="button" class="big" aria-label={text.play(video.title)} onPointerEnter={() => void load()} onFocus={() => void load()} onClick={() => setPlays(true)}><Play aria-hidden /></button>
      )}
      {video?.duration_s ? <span class="tag">{duration(video.duration_s)}</span> : null}
      {video && video.renditions.length === 0 && <p class="notice">{text.notYet}</p>}
    </main>
  )
  if (!plays || !video || video.renditions.length === 0) return cover
  return <Suspense fallback={cover}><Embedded video={video} asked={!byItself} startAt={Number.parseFloat(query.get('t') ?? '')} heading={<Heading href={`/watch/${id}`} title={video.title} />} /></Suspense>
}

function EmbedStream({ id, query }: { id: string; query: URLSearchParams }) {
  const { data: stream, error } = useStream(id, (each) => (each?.status === 'live' ? LIVE_MS : IDLE_MS))
  const byItself = query.get('autoplay') === '1'
  const [plays, setPlays] = useState(byItself)
  useTitle(stream?.title)
  if (error && (!stream || missing(error))) return <Away />
  const live = stream?.status === 'live'
  const heading = <Heading href={`/live/${id}`} title={stream?.title} />
  const inside = (
    <>
      {heading}
      {stream && live && !plays && (
        <button type="button" class="big" aria-label={text.play(stream.title)} onPointerEnter={() => void loadStage()} onFocus={() => void loadStage()} onClick={() => setPlays(true)}><Play aria-hidden /></button>
      )}
      {live && <span class="tag live">{common.live}</span>}
      {stream && !live && <p class="notice">{text.notLive}</p>}
    </>
  )
  const cover = <main class="cover">{inside}</main>
  if (!plays || !stream) return cover
  return (
    <Suspense fallback={cover}>
      <main>
        {live && <h1 class="hush">{stream.title}</h1>}
        <Stage stream={stream} asked={!byItself}><div class="cover">{!live && inside}</div></Stage>
      </main>
    </Suspense>
  )
}

function Heading({ href, title }: { href: string; title: string | undefined }) {
  return (
    <div class="over-title">
      <h1 class="clip person">{title && <a href={href} target="_blank" rel="noopener" title={text.open}>{title}</a>}</h1>
      <a class="brand" href="/" target="_blank" rel="noopener"><img src="/favicon.svg" alt={common.product} width="28" height="28" /></a>
    </div>
  )
}

function Away() {
  return (
    <main class="cover away">
      <h1>{common.wrong.missingTitle}</h1>
      <p>{text.away}</p>
      <a class="button" href="/" target="_blank" rel="noopener">{text.toProduct}</a>
    </main>
  )
}

/** Not as this is read: a part of it may be wanted by another page. */
export function show(root: Element): void {
  document.documentElement.classList.add('embedded', 'on-picture')
  const id = decodeURIComponent(location.pathname.split('/')[2] ?? '')
  const Shown = id.startsWith('str_') ? EmbedStream : Embed
  render(<QueryClientProvider client={queries}><Shown id={id} query={new URLSearchParams(location.search)} /></QueryClientProvider>, root)
}
