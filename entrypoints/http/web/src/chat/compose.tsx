/** Where one writes. What was typed stays until everyone has it. */
import { SendHorizontal } from 'lucide-preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Problem, type Stream } from '../api/client'
import { queries } from '../api/queries'
import { chat } from '../text'
import { useAction } from '../ui/form'
import { said } from '../ui/page'
import type { Room } from './room'

const MOST = 500
const NEAR = 50
const REVIEWED = 406

export function Compose({ room, stream, slow }: { room: Room; stream: Stream; slow: number }) {
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  const pause = usePause(slow)
  const { run, busy, error, clear } = useAction(async () => {
    try {
      await room.say(text)
    } catch (refused) {
      // The rules may have changed since they were read, and what one is to the channel.
      if (refused instanceof Problem && refused.status === REVIEWED) {
        for (const queryKey of [['streams', stream.id, 'chat-rules'], ['channels', stream.channel.id]]) void queries.invalidateQueries({ queryKey })
      }
      throw refused
    }
  })
  const left = MOST - [...text].length
  const can = text.trim() !== '' && left >= 0 && !busy && pause.left === 0
  async function send(event: Event): Promise<void> {
    event.preventDefault()
    if (can && (await run())) {
      setText('')
      pause.begin()
    }
    field.current?.focus()
  }
  return (
    <form class="compose" onSubmit={send}>
      {slow > 0 && <p class="tiny soft">{chat.slow(slow)}</p>}
      {error !== null && <p class="wrong" role="alert">{said(error)}</p>}
      <div class="row">
        <textarea ref={field} class="input" rows={1} aria-label={chat.field} placeholder={chat.placeholder} value={text} readOnly={busy} enterkeyhint="send"
          onInput={(event) => { setText(event.currentTarget.value); if (error) clear() }}
          onKeyDown={(event) => { if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) void send(event) }} />
        <button class={pause.left ? 'button' : 'button accent icon'} type="submit" aria-disabled={!can} aria-label={pause.left ? chat.sendIn(pause.left) : chat.send}>
          {pause.left ? <span aria-hidden>{pause.left} s</span> : <SendHorizontal aria-hidden />}
        </button>
      </div>
      {left < NEAR && <p class={left < 0 ? 'wrong' : 'tiny soft'} role="status">{chat.left(left)}</p>}
    </form>
  )
}

/** The seconds that are left of slow mode's pause after what was said last. */
function usePause(seconds: number) {
  const [said, setSaid] = useState(0)
  const [now, setNow] = useState(Date.now)
  const left = Math.min(seconds, Math.max(0, Math.ceil((said + seconds * 1000 - now) / 1000)))
  useEffect(() => {
    if (!left) return
    const timer = setTimeout(() => setNow(Date.now()), 250)
    return () => clearTimeout(timer)
  }, [left, now])
  function begin(): void {
    setNow(Date.now())
    setSaid(Date.now())
  }
  return { left, begin }
}
