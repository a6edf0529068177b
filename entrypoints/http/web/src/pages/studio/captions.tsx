/** A video's captions by language: adding, replacing, taking away. */
import { Captions as Icon, Download, FileText, Trash2 } from 'lucide-preact'
import { useState } from 'preact/hooks'
import { api, ask, bytesOf, type Schemas, type Video } from '../../api/client'
import { useCaptions } from '../../api/videos'
import { bytes, common, language, videoEdit as text } from '../../text'
import { Field, Form, Submit, useAction } from '../../ui/form'
import { Confirm, attempt, toast } from '../../ui/overlay'
import { Failure, State } from '../../ui/page'
import { LanguageSelect } from './fields'
import { refresh } from './mine'

type Caption = Schemas['CaptionView']

export function Captions({ video }: { video: Video }) {
  const { data, error, refetch } = useCaptions(video.id, true)
  const [removing, setRemoving] = useState<Caption | null>(null)
  return (
    <div class="beside">
      <section class="panel stack">
        <h2>{text.captionsTitle}</h2>
        {!data ? (
          error ? <Failure error={error} retry={refetch} /> : <div class="bone state-bone" role="status" aria-label={common.loading} />
        ) : data.length ? (
          <ul class="stack">
            {data.map((each) => (
              <li key={each.language} class="row">
                <Icon class="mark" aria-hidden />
                <span class="grow"><span class="clip block person strong small">{each.label}</span><span class="tiny soft">{language(each.language)} ({each.language})</span></span>
                <a class="button icon bare" href={each.url} download={`${each.language}.vtt`} aria-label={`${text.captionsDownload}: ${each.label}`} title={text.captionsDownload}><Download aria-hidden /></a>
                <button class="button icon bare" type="button" aria-label={text.captionsRemove(each.label)} title={common.remove} onClick={() => setRemoving(each)}><Trash2 aria-hidden /></button>
              </li>
            ))}
          </ul>
        ) : (
          <State icon={<Icon aria-hidden />} title={text.captionsNone}><p>{text.captionsWhy}</p></State>
        )}
      </section>
      <section class="panel stack"><h2>{text.captionsAdd}</h2><Add video={video} there={data ?? []} /></section>
      <Confirm open={removing !== null} title={text.captionsRemoveTitle} action={common.remove} cancel={common.cancel} onClose={() => setRemoving(null)}
        onConfirm={() => removing && attempt(async () => {
          await ask(api.DELETE('/v1/videos/{video_id}/captions/{language}', { params: { path: { video_id: video.id, language: removing.language } } }))
          toast(text.captionsRemoved)
          refresh()
        })}>
        <p class="person">{removing?.label}</p>
      </Confirm>
    </div>
  )
}

const OTHER = 'other'
const kind = (file: File) => (/\.srt$/i.test(file.name) ? 'application/x-subrip' : 'text/vtt')

function Add({ video, there }: { video: Video; there: readonly Caption[] }) {
  const [choice, setLanguage] = useState('')
  const [other, setOther] = useState('')
  const [label, setLabel] = useState('')
  const [file, setFile] = useState<File | null>(null)
  const tag = choice === OTHER ? other.trim() : choice
  const action = useAction(async () => {
    if (!file) return
    await ask(api.PUT('/v1/videos/{video_id}/captions/{language}', { params: { path: { video_id: video.id, language: tag }, query: { label: label.trim() || language(tag) } }, ...bytesOf(file, kind(file)) }))
    toast(text.captionsSaved(language(tag)))
    setFile(null)
    setLabel('')
    setLanguage('')
    setOther('')
    refresh()
  })
  return (
    <Form action={action}>
      <LanguageSelect label={text.captionsLanguage} empty={text.captionsChoose} more={[OTHER, text.captionsAnother]} value={choice} error={choice === OTHER ? undefined : action.fields.language} onChange={setLanguage} />
      {choice === OTHER && <Field label={text.captionsOther} value={other} autoCapitalize="none" spellcheck={false} error={action.fields.language} onInput={(event) => setOther(event.currentTarget.value)} />}
      <Field label={text.captionsLabel} value={label} maxLength={100} hint={text.captionsLabelHint} error={action.fields.label} onInput={(event) => setLabel(event.currentTarget.value)} />
      <div class="stack tight">
        <label class="button line file">
          <FileText aria-hidden />
          <span class="clip">{file ? `${file.name} · ${bytes(file.size)}` : text.fileChoose}</span>
          <input type="file" accept=".vtt,.srt,text/vtt,application/x-subrip" aria-label={text.captionsFile} onChange={(event) => {
            const chosen = event.currentTarget.files?.[0]
            event.currentTarget.value = '' // or the same file cannot be chosen again
            if (chosen) setFile(chosen)
          }} />
        </label>
        <span class="small soft">{text.captionsFileHint}</span>
      </div>
      {there.some((each) => each.language === tag) && <p class="small" role="status">{text.captionsReplace}</p>}
      <div><Submit busy={action.busy} disabled={!file || !tag}>{text.captionsSave}</Submit></div>
    </Form>
  )
}
