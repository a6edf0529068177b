/** What viewers get, or what the stream waits for. */
import { Power, Radio, Unplug } from 'lucide-preact'
import { useEffect, useState } from 'preact/hooks'
import type { Stream } from '../../../api/client'
import type { Session } from '../../../api/streams'
import type { Stage } from '../../../live/stage'
import { goLive } from '../../../text'
import { State } from '../../../ui/page'

export function Preview({ stream, session }: { stream: Stream; session: Session | null }) {
  const Loaded = useStage(stream.status === 'live')
  const waiting = <Waiting stream={stream} />
  return (
    <section aria-label={goLive.preview} class="stack">
      {Loaded ? <Loaded stream={stream} preview>{waiting}</Loaded> : <div class="picture">{waiting}</div>}
      {session?.status === 'reconnecting' && (
        <p class="notice wrong" role="alert"><Unplug aria-hidden /><span>{goLive.interrupted(stream.reconnect_window_s)}</span></p>
      )}
    </section>
  )
}

function Waiting({ stream }: { stream: Stream }) {
  if (stream.status === 'disabled') return <State icon={<Power aria-hidden />} title={goLive.statuses.disabled}><p>{goLive.disabledNote}</p></State>
  return <State icon={<Radio aria-hidden />} title={goLive.waitingTitle}><p>{goLive.waiting}</p></State>
}

/** The player is loaded when there is something to play. */
function useStage(wanted: boolean): typeof Stage | null {
  const [loaded, setLoaded] = useState<typeof Stage | null>(null)
  useEffect(() => {
    if (wanted && !loaded) void import('../../../live/stage').then((found) => setLoaded(() => found.Stage))
  }, [wanted])
  return loaded
}
