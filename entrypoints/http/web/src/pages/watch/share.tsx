/** The ways to pass a video on. */
import { Copy, Share2, SquareArrowOutUpRight } from 'lucide-preact'
import { useId, useState } from 'preact/hooks'
import type { Video } from '../../api/client'
import { common, duration, watch as text } from '../../text'
import { copy } from '../../ui/copy'
import { to } from '../../ui/link'
import { Dialog } from '../../ui/overlay'

export function Share({ video, time }: { video: Video; time: () => number }) {
  const [at, setAt] = useState<number | null>(null)
  const [from, setFrom] = useState(false)
  const url = `${location.origin}${to.watch(video)}${from && at ? `?t=${at}` : ''}`
  const open = video.visibility === 'public' || video.visibility === 'unlisted'
  const [width, height] = [video.width ?? 1280, video.height ?? 720]
  const frame = `<iframe src="${location.origin}/embed/${video.id}${from && at ? `?t=${at}` : ''}" width="640" height="${Math.round((640 * height) / width)}" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`
  async function pass(): Promise<void> {
    try {
      await navigator.share({ title: video.title, url })
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error // they thought better of it
    }
  }
  return (
    <>
      <button class="button" type="button" onClick={() => { setAt(Math.floor(time())); setFrom(false) }}><Share2 aria-hidden />{text.share}</button>
      <Dialog open={at !== null} title={text.shareTitle} onClose={() => setAt(null)}>
        <CopyField label={text.link} text={url} />
        {at !== null && at > 0 && (
          <label class="check"><input type="checkbox" checked={from} onChange={(event) => setFrom(event.currentTarget.checked)} />{text.from(duration(at))}</label>
        )}
        {open && <CopyField label={text.embed} text={frame} />}
        {'share' in navigator && <div class="actions"><button class="button" type="button" onClick={() => void pass()}><SquareArrowOutUpRight aria-hidden />{text.shareOther}</button></div>}
      </Dialog>
    </>
  )
}

function CopyField({ label, text: words }: { label: string; text: string }) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="row">
        <input id={id} readOnly value={words} onFocus={(event) => event.currentTarget.select()} />
        <button class="button" type="button" aria-label={text.copy(label)} onClick={() => void copy(words)}><Copy aria-hidden />{common.copy}</button>
      </div>
    </div>
  )
}
