/** /watch/:id: a video, what is known and said of it, and what to watch next. */
import { ChevronDown } from 'lucide-preact'
import type { RefObject } from 'preact'
import { useRoute } from 'preact-iso'
import { Suspense, lazy } from 'preact/compat'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useChannel } from '../../api/channels'
import type { Video } from '../../api/client'
import { useChapters, useVideo } from '../../api/videos'
import type { Chapter, MediaPlayerElement, PlayerHandle } from '../../player/player'
import { remembered } from '../../player/remembered'
import { common, watch as text } from '../../text'
import { Failure, useTitle } from '../../ui/page'
import { About } from './about'
import { Comments, RemarkBones } from './comments'
import { Next, useNext } from './next'
import { Screen } from './screen'
import { State } from './state'
import './watch.css'

const Replay = lazy(() => import('./replay'))
const NONE: readonly Chapter[] = []

export default function Watch() {
  const { id = '' } = useRoute().params
  return <Watching key={id} id={id} />
}

function Watching({ id }: { id: string }) {
  const { data: video, isError, error, refetch } = useVideo(id)
  useTitle(video?.title)
  if (isError && !video) return <Failure error={error} retry={refetch} page />
  return <Page id={id} video={video} />
}

function Page({ id, video }: { id: string; video: Video | undefined }) {
  const player = useRef<PlayerHandle>(null)
  const said = useRef<HTMLElement>(null)
  const [element, setElement] = useState<MediaPlayerElement | null>(null)
  const rest = useRest()
  const next = useNext(video, rest)
  const { data: chapters = NONE, isPending } = useChapters(id, Boolean(video))
  const channel = useChannel(video?.channel.id)
  const known = !isPending && !channel.isPending // how much room it takes: what is below it comes then
  function jump(seconds: number): void {
    player.current?.seek(seconds)
    scrollTo({ top: 0 })
  }
  return (
    <div class={`watch ${remembered.value.theatre ? 'theatre' : ''} ${known ? '' : 'unsure'}`}>
      <div class="screen">
        {video && video.renditions.length === 0 ? <State video={video} /> : <Screen id={id} video={video} chapters={chapters} next={next.first} handle={player} onPlayer={setElement} />}
      </div>
      <div class="about-video">
        {video ? <About video={video} chapters={chapters} time={() => player.current?.time ?? 0} jump={jump} /> : <AboutBones />}
      </div>
      <aside class="beside">
        {video?.stream_session_id && <Suspense fallback={<div class="chat replay" />}><Replay session={video.stream_session_id} player={element} /></Suspense>}
        {video && <ToComments count={video.counts.comments} said={said} />}
        <Next next={next} />
      </aside>
      <section class="said" ref={said} tabIndex={-1}>{video && rest ? <Comments video={video} jump={jump} /> : <RemarkBones />}</section>
    </div>
  )
}

/** The way there, where they are below all that is to be watched next. */
function ToComments({ count, said }: { count: number; said: RefObject<HTMLElement> }) {
  function go(): void {
    said.current!.focus({ preventScroll: true })
    said.current!.scrollIntoView()
  }
  return <button type="button" class="button to-comments" onClick={go}>{count > 0 ? text.commentCount(count) : text.comments}<ChevronDown aria-hidden /></button>
}

const SOON_MS = 1_500

/** Whether it is time for what is not the video: once the browser has nothing better to do. */
function useRest(): boolean {
  const [rest, setRest] = useState(false)
  useEffect(() => {
    if (!('requestIdleCallback' in window)) return setRest(true)
    const waiting = requestIdleCallback(() => setRest(true), { timeout: SOON_MS })
    return () => cancelIdleCallback(waiting)
  }, [])
  return rest
}

function AboutBones() {
  return (
    <div class="stack" role="status" aria-label={common.loading}>
      <p class="bone title">&nbsp;</p>
      <div class="row"><span class="avatar bone" /><span class="bone grow">&nbsp;</span></div>
      <div class="panel bone facts" />
    </div>
  )
}
