/** The player of a video: leave to play, where to go on, and telling the server how far one has come. */
import { Play } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import type { Ref } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type Video, Problem } from '../../api/client'
import { type Sitting, beat, open } from '../../api/sittings'
import { useCaptions } from '../../api/videos'
import { type Chapter, type MediaPlayerElement, Player, type PlayerHandle } from '../../player/player'
import { remember, remembered } from '../../player/remembered'
import { watch as text } from '../../text'
import { to } from '../../ui/link'
import { Failure } from '../../ui/page'

const EVERY_MS = 10_000

/** A sitting that is renewed under the same player; and what it failed with. */
export function useSitting(id: string) {
  const [first, setFirst] = useState<Sitting>()
  const [error, setError] = useState<unknown>(null)
  const now = useRef<Sitting>()
  async function renew() {
    now.current = await open(id)
    return { url: now.current.manifest_url, until: now.current.expires_at }
  }
  function begin(): void {
    setError(null)
    renew().then(() => setFirst(now.current), setError)
  }
  useEffect(begin, [id])
  return { first, now, renew, begin, error }
}

/** Tells where one is, every ten seconds while it plays, as it stops, and as the page goes away. */
export function follow(player: MediaPlayerElement, id: string, now: { readonly current: Sitting | undefined }, renew: () => Promise<unknown>): () => void {
  let sent = -1
  let timer: ReturnType<typeof setInterval> | undefined
  function tell(last: boolean): void {
    const [sitting, position] = [now.current, player.currentTime]
    if (!sitting || position === sent) return
    sent = position
    void beat(id, sitting.id, position, last).then((counts) => counts || last ? undefined : renew()).catch(() => undefined) // there is another one soon
  }
  const stop = player.subscribe(({ playing }) => {
    if (playing && timer === undefined) timer = setInterval(() => tell(false), EVERY_MS)
    if (!playing && timer !== undefined) {
      clearInterval(timer)
      timer = undefined
      tell(false)
    }
  })
  const leave = () => timer !== undefined && tell(true)
  addEventListener('pagehide', leave)
  return () => {
    leave()
    clearInterval(timer)
    removeEventListener('pagehide', leave)
    stop()
  }
}

interface ScreenProps {
  id: string
  video: Video | undefined
  chapters: readonly Chapter[]
  next: Video | undefined
  handle: Ref<PlayerHandle>
}

export function Screen({ id, video, chapters, next, handle }: ScreenProps) {
  const { query, route } = useLocation()
  const { first, now, renew, begin, error } = useSitting(id)
  const captions = useCaptions(id, Boolean(video?.caption_languages.length)).data
  if (error && !(error instanceof Problem && error.code === 'not_playable')) return <div class="box"><Failure error={error} retry={begin} /></div>
  const asked = Number.parseFloat(query.t ?? '')
  return (
    <Player
      title={video?.title ?? ''}
      grant={first && { url: first.manifest_url, until: first.expires_at }}
      renew={renew}
      poster={video?.poster_url}
      storyboard={video?.storyboard_url}
      captions={captions}
      chapters={chapters}
      startAt={asked >= 0 ? asked : first?.resume_at_s}
      theatre={remembered.value.theatre}
      onTheatre={(theatre) => remember({ theatre })}
      onPlayer={(player) => follow(player, id, now, renew)}
      handle={handle}
      end={next && (
        <div class="ended">
          <p>{text.next}</p>
          <p class="strong person clip-2">{next.title}</p>
          <button type="button" class="button accent" onClick={() => route(to.watch(next))}><Play aria-hidden />{text.nextNow}</button>
        </div>
      )}
    />
  )
}
