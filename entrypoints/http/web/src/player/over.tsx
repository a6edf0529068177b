/** What lies over the picture: the poster, where a press leads, that it waits, and how it ended. */
import { CircleAlert, LoaderCircle, Play, VolumeX } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { player as text } from '../text'
import { told, togglePaused } from './actions'
import { type Parts, useMedia, useParts } from './context'
import { remember } from './remembered'

export function Poster({ url, parts }: { url: string; parts: Parts | null }) {
  const [seen, setSeen] = useState(false)
  useEffect(() => parts?.player.subscribe(({ started }) => setSeen(started)), [parts?.player])
  return seen ? null : <img class="poster" src={url} alt="" fetchpriority="high" />
}

/** Press: pause or play. Twice: full screen. On a touch screen: show the controls; twice at a side: jump. */
export function Gestures() {
  return (
    <>
      <media-gesture class="gesture fine" event="pointerup" action="toggle:paused" />
      <media-gesture class="gesture fine" event="dblpointerup" action="toggle:fullscreen" />
      <media-gesture class="gesture coarse" event="pointerup" action="toggle:controls" />
      <media-gesture class="gesture coarse left" event="dblpointerup" action="seek:-10" />
      <media-gesture class="gesture coarse right" event="dblpointerup" action="seek:10" />
    </>
  )
}

/** In the middle: that it waits, or the way to begin. */
export function Busy({ waits, failed }: { waits: boolean; failed: boolean }) {
  const parts = useParts()
  const [ready, paused, started] = [useMedia((state) => state.canPlay), useMedia((state) => state.paused), useMedia((state) => state.started)]
  const stalled = useMedia((state) => state.waiting || (!state.paused && !state.started))
  if (failed) return null
  if (ready && paused && !started) {
    return <button type="button" class="big" aria-label={text.play} onClick={() => togglePaused(parts)}><Play aria-hidden /></button>
  }
  if (!waits && ready && !stalled) return null
  return <div class="busy" role="status" aria-label={text.waiting}><LoaderCircle class="spin" aria-hidden /></div>
}

/** What a key did, for a moment. */
export function Told() {
  const [words, setWords] = useState('')
  const now = told.value
  useEffect(() => {
    if (!now) return
    setWords(now.text)
    const timer = setTimeout(() => setWords(''), 700)
    return () => clearTimeout(timer)
  }, [now])
  return <div class="told" role="status">{words && <span>{words}</span>}</div>
}

export function Silenced() {
  const { player } = useParts()
  return (
    <button type="button" class="silenced" title={text.muted} onClick={() => { player.muted = false; remember({ muted: false }) }}>
      <VolumeX aria-hidden />{text.unmute}
    </button>
  )
}

export function End({ children }: { children: ComponentChildren }) {
  return useMedia((state) => state.ended) ? <div class="end">{children}</div> : null
}

export function Failed({ again }: { again: () => void }) {
  return (
    <div class="failed" role="alert">
      <CircleAlert aria-hidden />
      <p class="strong">{text.failedTitle}</p>
      <p class="small">{text.failed}</p>
      <button type="button" class="button" onClick={again}>{text.again}</button>
    </div>
  )
}
