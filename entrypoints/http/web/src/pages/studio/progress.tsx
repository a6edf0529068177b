/** How far the processing of a video is: a bar with a step for each state, and the words of a failure. */
import { CircleAlert, CircleCheck, LoaderCircle, RotateCcw } from 'lucide-preact'
import { api, ask, onlyIf, type Video } from '../../api/client'
import { upload, videoEdit } from '../../text'
import { useAction } from '../../ui/form'
import { toast } from '../../ui/overlay'
import { Wrong, sentence } from '../../ui/page'
import { refresh } from './mine'

const STEPS = ['pending', 'probing', 'transcoding', 'ready'] as const

export function Processing({ video }: { video: Video }) {
  const { state, progress_percent: percent, error } = video.processing
  const at = STEPS.indexOf(state as (typeof STEPS)[number])
  return (
    <div class="processing">
      <ol class="steps" aria-hidden>
        {STEPS.map((each, place) => <li key={each} class={state === 'failed' ? 'failed' : place < at || state === 'ready' ? 'done' : place === at ? 'now' : ''} />)}
      </ol>
      {state === 'transcoding' && <progress class="bar" max={100} value={percent} aria-label={upload.processing} />}
      <p class="row small" role="status">
        {state === 'ready' ? <CircleCheck class="mark ok" aria-hidden /> : state === 'failed' ? <CircleAlert class="mark wrong" aria-hidden /> : <LoaderCircle class="mark spin" aria-hidden />}
        <span>
          {upload.steps[state]}
          {state === 'transcoding' && `, ${percent} %`}
          {video.processing.attempt > 1 && <span class="soft"> ({upload.attempt(video.processing.attempt)})</span>}
        </span>
      </p>
      {state === 'failed' && error && <p class="small">{sentence(error.detail)}</p>}
      {state === 'failed' && <Retry video={video} />}
    </div>
  )
}

function Retry({ video }: { video: Video }) {
  const action = useAction(async () => {
    await ask(api.POST('/v1/videos/{video_id}/retry-processing', { params: { path: { video_id: video.id }, header: onlyIf(video.version) } }))
    toast(videoEdit.retried)
    refresh()
  })
  return (
    <>
      <Wrong error={action.error} />
      <div><button class="button small" type="button" disabled={action.busy} onClick={() => void action.run()}><RotateCcw aria-hidden />{videoEdit.retry}</button></div>
    </>
  )
}
