/** The player of a video: leave to play, where to go on, and telling the server how far one has come. */
import { Play } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import type { Ref } from 'preact'
import { type Video, Problem } from '../../api/client'
import { useCaptions } from '../../api/videos'
import { type Chapter, type MediaPlayerElement, Player, type PlayerHandle } from '../../player/player'
import { remember, remembered } from '../../player/remembered'
import { follow, useSitting } from '../../player/sitting'
import { watch as text } from '../../text'
import { to } from '../../ui/link'
import { Failure } from '../../ui/page'

interface ScreenProps {
  id: string
  video: Video | undefined
  chapters: readonly Chapter[]
  next: Video | undefined
  handle: Ref<PlayerHandle>
  onPlayer: (player: MediaPlayerElement) => void
}

export function Screen({ id, video, chapters, next, handle, onPlayer }: ScreenProps) {
  const { query, route } = useLocation()
  const { grant, resumeAt, now, renew, begin, error } = useSitting(id)
  const captions = useCaptions(id, Boolean(video?.caption_languages.length)).data
  const early = error instanceof Problem && error.code === 'not_playable' && !video // the page says so once it knows more
  if (error && !early) return <div class="box"><Failure error={error} retry={begin} /></div>
  const asked = Number.parseFloat(query.t ?? '')
  return (
    <Player
      title={video?.title ?? ''}
      grant={grant}
      renew={renew}
      poster={video?.poster_url}
      storyboard={video?.storyboard_url}
      captions={captions}
      chapters={chapters}
      startAt={asked >= 0 ? asked : resumeAt}
      theatre={remembered.value.theatre}
      onTheatre={(theatre) => remember({ theatre })}
      onPlayer={(player) => {
        onPlayer(player)
        return follow(player, id, now, renew)
      }}
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
