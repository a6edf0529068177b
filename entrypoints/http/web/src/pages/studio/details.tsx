/** What is said about a video, and who may see it. The same form while it is uploaded and afterwards. */
import { useId } from 'preact/hooks'
import { api, ask, onlyIf, type Video } from '../../api/client'
import { keep } from '../../api/videos'
import { videoEdit } from '../../text'
import { Field } from '../../ui/form'
import { toast } from '../../ui/overlay'
import { useDraft } from './draft'
import { LanguageSelect, Tags, VisibilityChoice } from './fields'
import { refresh } from './mine'
import { Saving } from './saving'

const fields = (video: Video) => ({
  title: video.title,
  description: video.description,
  tags: video.tags as readonly string[],
  category: video.category ?? '',
  language: video.language ?? '',
  visibility: { visibility: video.visibility, publish_at: video.publish_at },
})
type Fields = ReturnType<typeof fields>

async function save(id: string, { visibility, tags, category, language, ...rest }: Partial<Fields>, version: number): Promise<Video> {
  const body = {
    ...rest,
    ...(tags && { tags: [...tags] }),
    ...(category !== undefined && { category: category || null }),
    ...(language !== undefined && { language: language || null }),
    ...(visibility && { visibility: visibility.visibility, ...(visibility.publish_at && { publish_at: visibility.publish_at }) }),
  }
  const saved = await ask(api.PATCH('/v1/videos/{video_id}', { params: { path: { video_id: id }, header: onlyIf(version) }, body }))
  keep(saved)
  toast(videoEdit.saved)
  refresh()
  return saved
}

export function Details({ video, brief = false }: { video: Video; brief?: boolean }) {
  const draft = useDraft(video, {
    fields,
    save: (changes, version) => save(video.id, changes, version),
    fresh: () => ask(api.GET('/v1/videos/{video_id}', { params: { path: { video_id: video.id } } })),
  })
  const { typed, wrong, set } = draft
  const categories = useId()
  return (
    <form class="form" onSubmit={(event) => {
      event.preventDefault()
      void draft.submit()
    }}>
      <Field label={videoEdit.titleField} value={typed.title} required maxLength={100} dir="auto" error={wrong.title} onInput={(event) => set({ title: event.currentTarget.value })} />
      <Field label={videoEdit.description} area value={typed.description} maxLength={5000} dir="auto" error={wrong.description} onInput={(event) => set({ description: event.currentTarget.value })} />
      <VisibilityChoice value={typed.visibility.visibility} publishAt={typed.visibility.publish_at} published={video.published_at !== null} error={wrong.visibility ?? wrong.publish_at} onChange={(visibility) => set({ visibility })} />
      <Tags tags={typed.tags} error={wrong.tags} onChange={(tags) => set({ tags })} />
      {!brief && (
        <div class="pair">
          <Field label={videoEdit.category} value={typed.category} list={categories} maxLength={40} error={wrong.category} onInput={(event) => set({ category: event.currentTarget.value })} />
          <datalist id={categories}>{videoEdit.categories.map((each) => <option key={each} value={each} />)}</datalist>
          <LanguageSelect label={videoEdit.language} empty={videoEdit.noLanguage} value={typed.language} error={wrong.language} onChange={(language) => set({ language })} />
        </div>
      )}
      <Saving draft={draft} />
    </form>
  )
}
