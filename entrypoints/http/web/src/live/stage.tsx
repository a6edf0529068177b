/** The picture of a stream, in whichever state it is: live, interrupted, or not. */
import { Unplug } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Stream } from '../api/client'
import { look } from '../api/streams'
import { type MediaPlayerElement, Player } from '../player/player'
import { live } from '../text'
import { Failure } from '../ui/page'
import { useEdge, useHls, useInterrupted, useNote } from './pulse'
import { granted, useSitting } from './sitting'
import './stage.css'

const BEHIND_S = { low: 2.5, normal: 8 }
const LOOK_MS = 2_000
const LAST_MS = 8_000 // what was sent before the end is shown to its end

interface StageProps {
  stream: Stream
  preview?: boolean
  asked?: boolean
  /** In the place of the picture while nothing is live. */
  children: ComponentChildren
}

export function Stage({ stream, preview = false, asked = false, children }: StageProps) {
  const sitting = useSitting(stream)
  const last = useRef(sitting)
  const lingers = useLinger(Boolean(sitting?.grant))
  if (sitting) last.current = sitting
  const shown = sitting ?? (lingers ? last.current : null)
  if (!shown) return <div class="stage">{children}</div>
  if (shown.error) return <div class="stage"><Failure error={shown.error} retry={shown.again} /></div>
  return <Picture key={shown.key} stream={stream} preview={preview} asked={asked} grant={shown.grant} again={shown.again} />
}

function Picture({ stream, preview, asked, grant, again }: { stream: Stream; preview: boolean; asked: boolean; grant: Parameters<typeof Player>[0]['grant']; again: () => void }) {
  const [player, setPlayer] = useState<MediaPlayerElement | null>(null)
  const hls = useHls(player)
  useEdge(hls)
  const interrupted = useInterrupted(hls)
  const note = useNote(hls)
  useEffect(() => {
    if (!interrupted) return
    const timer = setInterval(() => void look(stream.id), LOOK_MS) // is it over?
    return () => clearInterval(timer)
  }, [interrupted])
  return (
    <div class="stage" data-interrupted={interrupted || undefined}>
      <Player title={stream.title} live preview={preview} asked={asked} behind={BEHIND_S[stream.latency]} grant={grant} renew={() => granted(stream.id)} onPlayer={setPlayer} onFailure={() => { again(); return true }}>
        <div class="over" role="status">
          {interrupted && (
            <div class="interrupted">
              <Unplug aria-hidden />
              <p class="strong">{live.interruptedTitle}</p>
              <p class="small">{live.interrupted}</p>
            </div>
          )}
          {note !== null && <p class="note"><span class="hush">{live.note}: </span><span class="person">{note}</span></p>}
        </div>
      </Player>
    </div>
  )
}

/** Whether it was so until a moment ago. */
function useLinger(now: boolean): boolean {
  const [lingers, setLingers] = useState(false)
  useEffect(() => {
    if (now) {
      setLingers(true)
      return
    }
    const timer = setTimeout(() => setLingers(false), LAST_MS)
    return () => clearTimeout(timer)
  }, [now])
  return lingers
}
