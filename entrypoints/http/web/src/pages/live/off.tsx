/** In the place of the picture while nothing is live: when something will be, or what became of what was. */
import { CalendarClock, CirclePlay, MoonStar, PowerOff } from 'lucide-preact'
import { useEffect, useState } from 'preact/hooks'
import { useQuery } from '@tanstack/preact-query'
import { type Stream, type Video, api, ask } from '../../api/client'
import { at, live } from '../../text'
import { to } from '../../ui/link'
import { State } from '../../ui/page'

const SOON_MS = 4_000

export function Off({ stream, watched }: { stream: Stream; watched: string | null }) {
  if (watched) return <Over stream={stream} session={watched} />
  if (stream.status === 'disabled') return <State icon={<PowerOff aria-hidden />} title={live.disabledTitle} />
  if (stream.starts_at) return <Soon startsAt={stream.starts_at} />
  return <State icon={<MoonStar aria-hidden />} title={live.offlineTitle}><p>{live.offline}</p></State>
}

function Soon({ startsAt }: { startsAt: string }) {
  const left = useLeft(startsAt)
  return (
    <State icon={<CalendarClock aria-hidden />} title={live.soonTitle}>
      {left > 0 ? <p class="count" role="timer" aria-label={live.startsIn(live.left(left))}>{live.left(left)}</p> : <p class="count">{live.anyMoment}</p>}
      <p><time dateTime={startsAt}>{live.startsAt(at(startsAt))}</time></p>
      <p>{live.offline}</p>
    </State>
  )
}

function useLeft(until: string): number {
  const seconds = () => Math.ceil((Date.parse(until) - Date.now()) / 1000)
  const [left, setLeft] = useState(seconds)
  useEffect(() => {
    setLeft(seconds())
    const timer = setInterval(() => setLeft(seconds()), 1_000)
    return () => clearInterval(timer)
  }, [until])
  return left
}

/** The recording of what was watched is among the channel's videos once it is there for whoever looks. */
function Over({ stream, session }: { stream: Stream; session: string }) {
  const recording = useQuery({
    queryKey: ['streams', 'recording', session],
    queryFn: async (): Promise<Video | null> => {
      const path = { channel_id: stream.channel.id }
      const { data } = await ask(api.GET('/v1/channels/{channel_id}/videos', { params: { path, query: { limit: 20 } } }))
      return data.find((each) => each.stream_session_id === session) ?? null
    },
    enabled: stream.record,
    refetchInterval: ({ state }) => (state.data && ['ready', 'failed'].includes(state.data.processing.state) ? false : SOON_MS),
    staleTime: 0,
  })
  const video = recording.data
  const listed = stream.visibility === 'public' || Boolean(video)
  return (
    <State icon={<CirclePlay aria-hidden />} title={live.endedTitle}>
      <div class="stack" role="status">
        {!stream.record || !listed ? (
          <p>{live.ended}</p>
        ) : video?.processing.state === 'ready' ? (
          <a class="button accent" href={to.watch(video)}>{live.recordingReady}</a>
        ) : (
          <p>{video?.processing.state === 'failed' ? live.recordingFailed : live.recordingMade}</p>
        )}
      </div>
      <p>{live.again}</p>
    </State>
  )
}
