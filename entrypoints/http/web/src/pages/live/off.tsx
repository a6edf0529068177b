/** In the place of the picture while nothing is live: when something will be, or what became of what was. */
import { CalendarClock, CirclePlay, MoonStar, PowerOff } from 'lucide-preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useQuery } from '@tanstack/preact-query'
import { useChannel } from '../../api/channels'
import { type Notice, type Stream, type Video, api, ask } from '../../api/client'
import { hear } from '../../api/events'
import { queries } from '../../api/queries'
import { at, live } from '../../text'
import { to } from '../../ui/link'
import { State } from '../../ui/page'

const SOON_MS = 4_000
const SLOWER = 1.25
const SELDOM_MS = 120_000
const LOOKS = 20 // in about a quarter of an hour

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

interface Recording {
  video: Video | undefined
  /** How often it was looked for without having been told to. */
  looked: number
}
const looks = (found: Recording | undefined, failed: number) => (found?.looked ?? 0) + failed
const settled = (video: Video | undefined) => video?.processing.state === 'ready' || video?.processing.state === 'failed'

/** The recording of what was watched is among the channel's videos once it is there for whoever looks: looked for when a
 * notification tells of a video, and ever more seldom besides, until it is likelier that there is none. */
function Over({ stream, session }: { stream: Stream; session: string }) {
  const helps = Boolean(useChannel(stream.channel.id).data?.viewer?.role)
  const listed = stream.record && (stream.visibility === 'public' || helps)
  const queryKey = ['streams', 'recording', session]
  const told = useRef(false)
  const { data, errorUpdateCount: failed } = useQuery({
    queryKey,
    queryFn: async (): Promise<Recording> => {
      const path = { channel_id: stream.channel.id }
      const { data } = await ask(api.GET('/v1/channels/{channel_id}/videos', { params: { path, query: { limit: 20 } } }))
      const looked = (queries.getQueryData<Recording>(queryKey)?.looked ?? 0) + (told.current ? 0 : 1)
      told.current = false
      return { video: data.find((each) => each.stream_session_id === session), looked }
    },
    enabled: listed,
    refetchInterval: ({ state: { data, errorUpdateCount } }) => {
      const looked = looks(data, errorUpdateCount)
      return settled(data?.video) || looked >= LOOKS ? false : Math.min(SOON_MS * SLOWER ** looked, SELDOM_MS)
    },
    staleTime: 0,
  })
  useEffect(() => hear(({ data }) => {
    if (!(data as Partial<Notice>).type?.startsWith('video_')) return
    told.current = true
    void queries.invalidateQueries({ queryKey })
  }), [session])
  const state = data?.video?.processing.state
  return (
    <State icon={<CirclePlay aria-hidden />} title={live.endedTitle}>
      <div class="stack" role="status">
        {!listed ? (
          <p>{live.ended}</p>
        ) : data?.video && state === 'ready' ? (
          <a class="button accent" href={to.watch(data.video)}>{live.recordingReady}</a>
        ) : (
          <p>{state === 'failed' ? live.recordingFailed : looks(data, failed) >= LOOKS ? live.recordingLater : live.recordingMade}</p>
        )}
      </div>
      <p>{live.again}</p>
    </State>
  )
}
