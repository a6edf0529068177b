/** Where one says something: grows with it, and keeps it until it was said. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { unique } from '../../api/apart'
import { me } from '../../api/session'
import { common, watch as text } from '../../text'
import { Avatar } from '../../ui/avatar'
import { Submit, useAction } from '../../ui/form'
import { here } from '../../ui/link'
import { Wrong } from '../../ui/page'

const MOST = 5000
const NEAR = 200

interface WriteProps {
  label: string
  action: string
  signIn: string
  /** What stands there at first. */
  words?: string
  /** Whether it was asked for: then the focus comes to it, and Cancel leads away. */
  onDone?: () => void
  send: (words: string, repeat: string) => Promise<unknown>
}

export function Write({ label, action, signIn, words: first = '', onDone, send }: WriteProps) {
  const [words, setWords] = useState(first)
  const [active, setActive] = useState(Boolean(onDone))
  const repeat = useRef(unique())
  const area = useRef<HTMLTextAreaElement>(null)
  const { run, busy, error, clear } = useAction(send)
  useEffect(() => {
    if (!onDone) return
    area.current?.focus()
    area.current?.setSelectionRange(first.length, first.length)
  }, [])
  if (me.value === null) return <a class="button line" href={`/sign-in?next=${encodeURIComponent(here())}`}>{signIn}</a>
  if (!me.value) return <div class="write" />
  function change(now: string): void {
    setWords(now)
    repeat.current = unique() // other words are something else to say
  }
  async function submit(): Promise<void> {
    if (!words.trim() || busy || !(await run(words, repeat.current))) return
    change('')
    setActive(false)
    onDone?.()
  }
  function cancel(): void {
    setWords(first)
    setActive(false)
    clear()
    onDone?.()
  }
  const left = MOST - [...words].length
  return (
    <form class="write" onSubmit={(event) => { event.preventDefault(); void submit() }}>
      <Avatar name={me.value.display_name} />
      <div class="stack">
        <textarea ref={area} class="input" rows={1} aria-label={label} placeholder={label} value={words} maxLength={MOST} readOnly={busy}
          onFocus={() => setActive(true)} onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
              event.preventDefault()
              void submit()
            }
            if (event.key === 'Escape' && onDone) cancel()
          }} />
        <Wrong error={error} />
        {active && (
          <div class="row">
            {left < NEAR && <span class="small soft" role="status">{text.left(left)}</span>}
            <span class="grow" />
            <button class="button bare" type="button" onClick={cancel}>{common.cancel}</button>
            <Submit busy={busy} disabled={!words.trim() || words === first}>{action}</Submit>
          </div>
        )}
      </div>
    </form>
  )
}
