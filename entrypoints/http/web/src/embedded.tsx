/** What plays in other people's pages, and what comes at its end. */
import type { ComponentChildren } from 'preact'
import type { Video } from './api/client'
import { useCaptions, useChapters } from './api/videos'
import { embed as text } from './text'
import { Player } from './player/player'
import { follow, useSitting } from './player/sitting'

export default function Embedded({ video, asked, startAt, heading }: { video: Video; asked: boolean; startAt: number; heading: ComponentChildren }) {
  const { grant, resumeAt, now, renew, error, begin } = useSitting(video.id)
  const captions = useCaptions(video.id, video.caption_languages.length > 0).data
  const chapters = useChapters(video.id, true).data
  if (error) {
    return (
      <main class="cover away">
        <p role="alert">{text.failed}</p>
        <button type="button" class="button" onClick={begin}>{text.again}</button>
      </main>
    )
  }
  return (
    <Player
      title={video.title}
      grant={grant}
      asked={asked}
      renew={renew}
      poster={video.poster_url}
      storyboard={video.storyboard_url}
      captions={captions}
      chapters={chapters}
      startAt={startAt >= 0 ? startAt : resumeAt}
      onPlayer={(player) => follow(player, video.id, now, renew)}
      end={<a class="button accent" href={`/watch/${video.id}`} target="_blank" rel="noopener">{text.more}</a>}
    >
      <div class="when-shown">{heading}</div>
    </Player>
  )
}
