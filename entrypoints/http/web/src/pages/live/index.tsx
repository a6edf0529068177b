/** Watching a stream, with its chat beside it. */
import { useRoute } from 'preact-iso'
import { useEffect, useRef } from 'preact/hooks'
import { useStream } from '../../api/streams'
import { type Stream, missing } from '../../api/client'
import { Chat } from '../../chat/panel'
import { Stage } from '../../live/stage'
import { common } from '../../text'
import { Failure, useTitle } from '../../ui/page'
import { About, Description } from './about'
import { Off } from './off'
import './live.css'

const LIVE_MS = 10_000
const IDLE_MS = 5_000

export default function Live() {
  const { id = '' } = useRoute().params
  const { data: stream, isPending, error, refetch } = useStream(id, (each) => (each?.status === 'live' ? LIVE_MS : IDLE_MS))
  useTitle(stream?.title)
  if (isPending) return <Bones />
  if (!stream || missing(error)) return <div class="page"><Failure page error={error} retry={refetch} /></div>
  return <Page key={stream.id} stream={stream} />
}

function Page({ stream }: { stream: Stream }) {
  const watched = useWatched(stream)
  return (
    <div class="live-page">
      <div class="live-main">
        <Stage stream={stream}><Off stream={stream} watched={watched} /></Stage>
        <About stream={stream} />
        {stream.description && <Description text={stream.description} />}
      </div>
      <aside class="live-chat"><Chat stream={stream} /></aside>
    </div>
  )
}

/** The last broadcast that went on while this page was here. */
function useWatched(stream: Stream): string | null {
  const watched = useRef<string | null>(null)
  useEffect(() => {
    if (stream.current_session_id) watched.current = stream.current_session_id
  }, [stream.current_session_id])
  return stream.current_session_id ?? watched.current
}

function Bones() {
  return (
    <div class="live-page" role="status" aria-label={common.loading}>
      <div class="live-main" aria-hidden>
        <div class="stage" />
        <div class="about-live"><h1 class="bone">&nbsp;</h1><div class="row"><span class="avatar bone" /><span class="bone grow">&nbsp;</span></div></div>
      </div>
      <div class="live-chat bone" aria-hidden />
    </div>
  )
}
