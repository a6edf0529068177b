/** The file of a video: what it is, replacing it, processing it again, and removing the whole. */
import { FileVideo, Trash2 } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import { api, ask, type Video } from '../../api/client'
import { at, common, duration, upload, videoEdit as text } from '../../text'
import { Failure } from '../../ui/page'
import { begin, refusal, transfers } from '../../uploads'
import { Processing } from './progress'
import { UploadCard } from './upload-card'
import { RemoveVideo } from './videos'

export function Source({ video }: { video: Video }) {
  const { route } = useLocation()
  const [asking, setAsking] = useState(false)
  const [wrong, setWrong] = useState<string | null>(null)
  const meta = useQuery({ queryKey: ['meta'], queryFn: () => ask(api.GET('/v1/meta')), staleTime: Infinity })
  const sending = transfers.value.filter((each) => each.kept.replaces === video.id && each.state.value.phase !== 'sent')
  return (
    <div class="beside">
      <div class="stack">
        <section class="panel stack">
          <h2>{text.fileTitle}</h2>
          <dl class="facts">
            {video.width && <div><dt>{text.fileFacts.size}</dt><dd>{video.width} × {video.height}</dd></div>}
            {video.duration_s !== null && <div><dt>{text.fileFacts.length}</dt><dd>{duration(video.duration_s)}</dd></div>}
            {video.renditions.length > 0 && <div><dt>{text.fileFacts.renditions}</dt><dd>{video.renditions.map((each) => each.name).join(', ')}</dd></div>}
            <div><dt>{text.fileFacts.uploaded}</dt><dd>{at(video.created_at)}</dd></div>
          </dl>
          <Processing video={video} />
        </section>
        <section class="panel stack">
          <h2>{text.fileReplace}</h2>
          <p class="small soft">{text.fileReplaceWhy}</p>
          {sending.map((each) => <UploadCard key={each.kept.key} transfer={each} />)}
          {!sending.length && (
            <div>
              <label class="button file">
                <FileVideo aria-hidden />{text.fileChoose}
                <input type="file" accept="video/*,audio/*,.mkv,.mxf,.ts,.m2ts,.mts,.flv" aria-label={text.fileReplace} onChange={(event) => {
                  const file = event.currentTarget.files?.[0]
                  event.currentTarget.value = ''
                  if (!file) return
                  const why = refusal(file, meta.data?.limits.max_file_bytes)
                  setWrong(why && upload.refused(file.name, why))
                  if (!why) begin({ file }, video.channel.id, video.id)
                }} />
              </label>
            </div>
          )}
          {wrong && <p class="small wrong-text" role="alert">{wrong}</p>}
        </section>
        <section class="panel stack">
          <h2>{text.remove}</h2>
          <p class="small soft">{text.removeWhy}</p>
          <div><button class="button danger" type="button" onClick={() => setAsking(true)}><Trash2 aria-hidden />{text.remove}</button></div>
        </section>
      </div>
      <section class="panel stack"><h2>{text.history}</h2><History video={video} /></section>
      <RemoveVideo video={video} open={asking} onClose={() => setAsking(false)} onGone={() => route('/studio/videos')} />
    </div>
  )
}

function History({ video }: { video: Video }) {
  const { state, attempt } = video.processing
  const { data, error, refetch } = useQuery({ queryKey: ['studio', 'processing', video.id, state, attempt], queryFn: () => ask(api.GET('/v1/videos/{video_id}/processing-events', { params: { path: { video_id: video.id } } })), placeholderData: (before) => before })
  if (error && !data) return <Failure error={error} retry={refetch} />
  if (!data) return <div class="bone row-bone" role="status" aria-label={common.loading} />
  return (
    <ol class="stack history">
      {data.data.toReversed().map((each) => (
        <li key={`${each.attempt} ${each.state}`} class={each.state === 'failed' ? 'failed' : ''}>
          <span class="small strong">{upload.steps[each.state]}</span>
          <span class="tiny soft"><time dateTime={each.at}>{at(each.at)}</time> · {upload.attempt(each.attempt)}{each.error && ` · ${each.error}`}</span>
        </li>
      ))}
    </ol>
  )
}
