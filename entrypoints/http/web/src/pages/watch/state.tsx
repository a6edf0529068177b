/** In the place of the player, while there is nothing to play. */
import { CircleAlert, Cog } from 'lucide-preact'
import { may, useChannel } from '../../api/channels'
import type { Video } from '../../api/client'
import { common, watch as text } from '../../text'
import { sentence } from '../../ui/page'

export function State({ video }: { video: Video }) {
  const { state, progress_percent: percent, error } = video.processing
  const edits = may(useChannel(video.channel.id).data, 'edit')
  if (state === 'failed') {
    return (
      <div class="box state">
        <CircleAlert aria-hidden />
        <h2>{text.failedTitle}</h2>
        {error && <p>{sentence(error.detail)}</p>}
        {edits && <a class="button line" href={`/studio/videos/${video.id}`}>{text.toStudio}</a>}
      </div>
    )
  }
  return (
    <div class="box state">
      <Cog class="turning" aria-hidden />
      <h2>{text.processingTitle}</h2>
      <p>{text.processing}</p>
      <progress class="bar" max={100} value={percent} aria-label={common.states[state]} />
      <p class="small" role="status">{common.states[state]} · {text.progress(percent)}</p>
    </div>
  )
}
