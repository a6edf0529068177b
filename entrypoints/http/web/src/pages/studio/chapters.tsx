/** The chapters of a video: a time and a title each. */
import { BookmarkPlus, Trash2 } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useRef, useState } from 'preact/hooks'
import { api, ask, onlyIf, type Schemas, type Video } from '../../api/client'
import { common, duration, videoEdit as text } from '../../text'
import { toast } from '../../ui/overlay'
import { Failure } from '../../ui/page'
import { useDraft } from './draft'
import { refresh } from './mine'
import { Saving } from './saving'

interface Stored {
  version: number
  chapters: readonly Schemas['ChapterView'][]
}
interface Row {
  key: number
  start: string
  title: string
}

async function load(video: Video): Promise<Stored> {
  // The list has no version of its own: it is the video's, read before, so that it is never newer than the list.
  const path = { video_id: video.id }
  const { version } = await ask(api.GET('/v1/videos/{video_id}', { params: { path } }))
  const { data } = await ask(api.GET('/v1/videos/{video_id}/chapters', { params: { path } }))
  return { version, chapters: data }
}

/** 90, 1:30 and 0:01:30 are the same; null for what is no time, such as 1:90. */
export function seconds(typed: string): number | null {
  const parts = typed.trim().split(':')
  if (parts.length > 3 || !parts.every((each) => /^\d{1,6}(\.\d{1,3})?$/.test(each))) return null
  if (parts.slice(1).some((each) => Number(each) >= 60)) return null
  return parts.reduce((sum, each) => sum * 60 + Number(each), 0)
}

/** With what is less than a second, where there is any. */
const shown = (start: number): string => duration(start) + (start % 1 ? (start % 1).toFixed(3).slice(1).replace(/0+$/, '') : '')

export function Chapters({ video }: { video: Video }) {
  const { data, error, refetch } = useQuery({ queryKey: ['studio', 'chapters', video.id], queryFn: () => load(video) })
  return (
    <section class="panel stack">
      <h2>{text.chaptersTitle}</h2>
      <p class="small soft">{text.chaptersWhy}</p>
      {data ? <Editor video={video} stored={data} /> : error ? <Failure error={error} retry={refetch} /> : <div class="bone row-bone" role="status" aria-label={common.loading} />}
    </section>
  )
}

function Editor({ video, stored }: { video: Video; stored: Stored }) {
  const list = useRef<HTMLOListElement>(null)
  const count = useRef(stored.chapters.length)
  const [checked, setChecked] = useState(false)
  const draft = useDraft(stored, {
    fields: ({ chapters }) => ({ rows: chapters.map((each, key): Row => ({ key, start: shown(each.start_s), title: each.title })) }),
    save: async ({ rows = [] }, version) => {
      const chapters = rows.map((each) => ({ start_s: seconds(each.start) ?? 0, title: each.title })).sort((one, other) => one.start_s - other.start_s)
      const { data } = await ask(api.PUT('/v1/videos/{video_id}/chapters', { params: { path: { video_id: video.id }, header: onlyIf(version) }, body: { chapters } }))
      toast(common.saved)
      refresh()
      const { version: now } = await ask(api.GET('/v1/videos/{video_id}', { params: { path: { video_id: video.id } } }))
      return { version: now, chapters: data }
    },
    fresh: () => load(video),
  })
  const { rows } = draft.typed
  const change = (key: number, wanted: Partial<Row>) => draft.set({ rows: rows.map((each) => (each.key === key ? { ...each, ...wanted } : each)) })
  const wrong = (row: Row) => checked && seconds(row.start) === null
  return (
    <form class="form" onSubmit={(event) => {
      event.preventDefault()
      setChecked(true)
      if (rows.every((each) => seconds(each.start) !== null)) void draft.submit()
      else list.current?.querySelector<HTMLInputElement>('[aria-invalid]')?.focus()
    }}>
      {!rows.length && <p class="small">{text.chaptersNone}</p>}
      <ol class="stack" ref={list}>
        {rows.map((row, place) => (
          <li key={row.key} class="chapter-row">
            <input class="input" required aria-label={text.chapterOf(text.chapterStart, place + 1)} placeholder="0:00" value={row.start} aria-invalid={wrong(row) || undefined} onInput={(event) => change(row.key, { start: event.currentTarget.value })} />
            <input class="input" required maxLength={100} dir="auto" aria-label={text.chapterOf(text.chapterTitle, place + 1)} placeholder={text.chapterTitle} value={row.title} onInput={(event) => change(row.key, { title: event.currentTarget.value })} />
            <button class="button icon bare" type="button" aria-label={text.chapterRemove(row.title || String(place + 1))} title={common.remove} onClick={() => draft.set({ rows: rows.filter((each) => each !== row) })}><Trash2 aria-hidden /></button>
            {wrong(row) && <span class="small wrong-text">{text.chapterBadTime}</span>}
          </li>
        ))}
      </ol>
      <div>
        <button class="button" type="button" onClick={() => {
          count.current += 1
          draft.set({ rows: [...rows, { key: count.current, start: rows.length ? '' : '0:00', title: '' }] })
          requestAnimationFrame(() => list.current?.querySelector<HTMLInputElement>(rows.length ? 'li:last-child input' : 'li:last-child input:nth-of-type(2)')?.focus())
        }}><BookmarkPlus aria-hidden />{text.chapterAdd}</button>
      </div>
      <Saving draft={draft} />
    </form>
  )
}
