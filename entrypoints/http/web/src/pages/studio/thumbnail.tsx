import { api, ask, bytesOf, type Video } from '../../api/client'
import { keep } from '../../api/videos'
import { videoEdit as text } from '../../text'
import { useAction } from '../../ui/form'
import { toast } from '../../ui/overlay'
import { Wrong } from '../../ui/page'
import { PictureInput, usePreview } from './fields'
import { refresh } from './mine'

/** The picture that stands for a video. What is chosen shows at once, and goes again if the API will not have it. */
export function Thumbnail({ video }: { video: Video }) {
  const [preview, show] = usePreview()
  const action = useAction(async (file: File) => {
    show(file)
    try {
      const saved = await ask(api.PUT('/v1/videos/{video_id}/thumbnail', { params: { path: { video_id: video.id } }, ...bytesOf(file) }))
      keep(saved)
      toast(text.thumbnailSaved)
      refresh()
    } catch (error) {
      show(null)
      throw error
    }
  })
  const shown = preview ?? video.poster_url
  return (
    <>
      <div class="still large">{shown ? <img src={shown} alt="" /> : <span class="small soft">{text.noThumbnail}</span>}</div>
      <Wrong error={action.error} />
      <PictureInput label={text.thumbnail} button={text.thumbnailChoose} hint={text.thumbnailHint} busy={action.busy} onChoose={(file) => void action.run(file)} />
    </>
  )
}
