/** Fields of their own that several forms of the studio have. */
import { ImageUp, LoaderCircle, X } from 'lucide-preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { Schemas } from '../../api/client'
import { language, videoEdit } from '../../text'
import { localTime } from '../../ui/form'
import { sentence } from '../../ui/page'

export type Visibility = Schemas['Visibility']

interface TagsProps {
  tags: readonly string[]
  error?: string | undefined
  onChange: (tags: readonly string[]) => void
}

/** Words that are typed one after the other. */
export function Tags({ tags, error, onChange }: TagsProps) {
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  function take(text: string): void {
    const more = text.split(',').map((each) => each.trim().replace(/^#+/, '')).filter((each) => each && !tags.includes(each))
    if (more.length) onChange([...tags, ...new Set(more)])
    if (input.current) input.current.value = ''
  }
  return (
    <div class="field">
      <label for={id}>{videoEdit.tags}</label>
      <div class="tags-field" onClick={(event) => event.target === event.currentTarget && input.current?.focus()}>
        {tags.map((each) => (
          <span key={each} class="chip">
            <span class="clip person">{each}</span>
            <button type="button" aria-label={videoEdit.removeTag(each)} onClick={() => {
              onChange(tags.filter((other) => other !== each))
              input.current?.focus()
            }}><X aria-hidden /></button>
          </span>
        ))}
        <input ref={input} id={id} enterKeyHint="done" autoCapitalize="none" aria-describedby={`${id}-hint`} aria-invalid={error ? true : undefined}
          onKeyDown={(event) => {
            const { value } = event.currentTarget
            if (event.key === 'Enter' || event.key === ',') {
              event.preventDefault()
              take(value)
            } else if (event.key === 'Backspace' && !value && tags.length) {
              onChange(tags.slice(0, -1))
            }
          }}
          onBlur={(event) => take(event.currentTarget.value)} />
      </div>
      <span class="hint" id={`${id}-hint`}>{videoEdit.tagsHint}</span>
      {error && <span class="wrong">{sentence(error)}</span>}
    </div>
  )
}

const VISIBILITIES: readonly Visibility[] = ['private', 'unlisted', 'public', 'scheduled']

interface VisibilityProps {
  value: Visibility
  publishAt: string | null
  error?: string | undefined
  published: boolean
  onChange: (wanted: { visibility: Visibility; publish_at: string | null }) => void
}

export function VisibilityChoice({ value, publishAt, error, published, onChange }: VisibilityProps) {
  const id = useId()
  const choices = published ? VISIBILITIES.filter((each) => each !== 'scheduled') : VISIBILITIES // the API schedules once
  return (
    <fieldset class="plain field">
      <legend class="label">{videoEdit.visibility}</legend>
      <div class="options">
        {choices.map((each) => {
          const [name, what] = videoEdit.visibilities[each]
          return (
            <label key={each} class="choice">
              <input type="radio" name={id} checked={value === each} onChange={() => onChange({ visibility: each, publish_at: each === 'scheduled' ? (publishAt ?? soon()) : null })} />
              <span><span class="strong small">{name}</span><span class="tiny soft">{what}</span></span>
            </label>
          )
        })}
      </div>
      {value === 'scheduled' && (
        <>
          <label class="label" for={`${id}-at`}>{videoEdit.publishAt}</label>
          <input id={`${id}-at`} type="datetime-local" required value={publishAt ? localTime(new Date(publishAt)) : ''} min={localTime(new Date())} aria-invalid={error ? true : undefined} aria-describedby={`${id}-hint`}
            onInput={(event) => event.currentTarget.value && onChange({ visibility: value, publish_at: new Date(event.currentTarget.value).toISOString() })} />
          <span class="hint" id={`${id}-hint`}>{videoEdit.publishAtHint(Intl.DateTimeFormat().resolvedOptions().timeZone)}</span>
        </>
      )}
      {error && <span class="wrong">{sentence(error)}</span>}
    </fieldset>
  )
}

/** Tomorrow, at the full hour. */
function soon(): string {
  const when = new Date(Date.now() + 86_400_000)
  when.setMinutes(0, 0, 0)
  return when.toISOString()
}

const LANGUAGES = ['ar', 'bg', 'bn', 'ca', 'cs', 'da', 'de', 'el', 'en', 'es', 'et', 'fa', 'fi', 'fr', 'he', 'hi', 'hr', 'hu', 'id', 'it', 'ja', 'ko', 'lt', 'lv', 'ms', 'nl', 'no', 'pl', 'pt', 'pt-BR', 'ro', 'ru', 'sk', 'sl', 'sr', 'sv', 'ta', 'th', 'tr', 'uk', 'ur', 'vi', 'zh-Hans', 'zh-Hant']

interface LanguageProps {
  label: string
  value: string
  empty: string
  more?: readonly [value: string, label: string]
  error?: string | undefined
  onChange: (tag: string) => void
}

export function LanguageSelect({ label, value, empty, more, error, onChange }: LanguageProps) {
  const id = useId()
  const tags = value && value !== more?.[0] && !LANGUAGES.includes(value) ? [value, ...LANGUAGES] : LANGUAGES
  const sorted = tags.map((tag) => [tag, language(tag)] as const).sort((one, other) => one[1].localeCompare(other[1]))
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)} aria-invalid={error ? true : undefined}>
        <option value="">{empty}</option>
        {sorted.map(([tag, name]) => <option key={tag} value={tag}>{name}</option>)}
        {more && <option value={more[0]}>{more[1]}</option>}
      </select>
      {error && <span class="wrong">{sentence(error)}</span>}
    </div>
  )
}

interface PictureProps {
  label: string
  button: string
  hint: string
  busy: boolean
  onChoose: (file: File) => void
}

/** A file of a picture. The input itself is the control; the button in front of it is its label. */
export function PictureInput({ label, button, hint, busy, onChoose }: PictureProps) {
  const id = useId()
  return (
    <div class="stack tight">
      <label class="button line file" aria-disabled={busy || undefined}>
        {busy ? <LoaderCircle class="spin" aria-hidden /> : <ImageUp aria-hidden />}
        {button}
        <input type="file" accept="image/jpeg,image/png,image/webp" aria-label={label} aria-describedby={id} disabled={busy} onChange={(event) => {
          const file = event.currentTarget.files?.[0]
          event.currentTarget.value = ''
          if (file) onChoose(file)
        }} />
      </label>
      <span class="hint small soft" id={id}>{hint}</span>
    </div>
  )
}

/** A picture that was chosen, shown before the server has it. Its address is freed as another is chosen, and with the field. */
export function usePreview(): [string | null, (file: Blob | null) => void] {
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => () => {
    if (url) URL.revokeObjectURL(url)
  }, [url])
  return [url, (file) => setUrl(file ? URL.createObjectURL(file) : null)]
}
