/** Where an encoder sends to. The key is asked for when it is wanted, shown until it is hidden, and kept nowhere. */
import { ChevronRight, Copy, Eye, EyeOff, RefreshCw } from 'lucide-preact'
import { useEffect, useState } from 'preact/hooks'
import { type Stream, api, ask } from '../../../api/client'
import type { Ingest } from '../../../api/streams'
import { common, goLive } from '../../../text'
import { copy } from '../../../ui/copy'
import { useAction } from '../../../ui/form'
import { Confirm, attempt, toast } from '../../../ui/overlay'
import { Wrong } from '../../../ui/page'

const SHOWN_MS = 60_000
const text = goLive.connect

export function Connect({ stream, open }: { stream: Stream; open: boolean }) {
  return (
    <details class="panel connect" open={open}>
      <summary><ChevronRight aria-hidden /><h2>{text.title}</h2></summary>
      <div class="stack loose">
        <Key stream={stream} />
      </div>
    </details>
  )
}

function Key({ stream }: { stream: Stream }) {
  const [server, setServer] = useState<string | null>(null)
  const [key, setKey] = useState<string | null>(null)
  const [asked, setAsked] = useState(false)
  const path = { stream_id: stream.id }

  useEffect(() => {
    if (key === null) return
    const hide = () => setKey(null)
    const timer = setTimeout(hide, SHOWN_MS)
    document.addEventListener('visibilitychange', hide)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', hide)
    }
  }, [key])

  async function fetched(): Promise<Ingest> {
    const found = await ask(api.GET('/v1/streams/{stream_id}/ingest', { params: { path } }))
    setServer(found.server_url)
    return found
  }
  const { run, busy, error } = useAction(async (use: (ingest: Ingest) => unknown) => use(await fetched()))
  async function rotate(): Promise<void> {
    const done = await attempt(async () => {
      const found = await ask(api.POST('/v1/streams/{stream_id}/rotate-key', { params: { path } }))
      setServer(found.server_url)
      setKey(found.stream_key)
    })
    if (done) toast(text.rotated)
  }

  return (
    <>
      <Wrong error={error} />
      <div class="stack">
        <div class="secret">
          <span class="label">{text.server}</span>
          <code class="clip">{server ?? text.keyHidden}</code>
          <button class="button small" type="button" disabled={busy} aria-label={text.copyServer} onClick={() => void (server ? copy(server) : run((found) => copy(found.server_url)))}><Copy aria-hidden />{common.copy}</button>
        </div>
        <div class="secret">
          <span class="label">{text.key}</span>
          <code class={key ? undefined : 'clip'}>{key ?? text.keyHidden}</code>
          <button class="button small" type="button" disabled={busy} aria-label={text.copyKey} onClick={() => void (key ? copy(key) : run((found) => copy(found.stream_key)))}><Copy aria-hidden />{common.copy}</button>
          {key ? (
            <button class="button small" type="button" onClick={() => setKey(null)}><EyeOff aria-hidden />{text.hide}</button>
          ) : (
            <button class="button small" type="button" disabled={busy} onClick={() => void run((found) => setKey(found.stream_key))}><Eye aria-hidden />{text.show}</button>
          )}
        </div>
        <div class="row apart wrap">
          <p class="small soft grow">{text.keyHint}</p>
          <button class="button bare small" type="button" onClick={() => setAsked(true)}><RefreshCw aria-hidden />{text.rotate}</button>
        </div>
      </div>
      <Steps server={server ?? 'rtmp://…'} />
      <Confirm open={asked} title={text.rotateTitle} action={text.rotateDo} cancel={goLive.cancel} onClose={() => setAsked(false)} onConfirm={rotate}><p>{text.rotateText}</p></Confirm>
    </>
  )
}

function Steps({ server }: { server: string }) {
  const command = text.command(server)
  return (
    <div class="ways">
      <section class="stack">
        <h3>{text.obs}</h3>
        <ol class="todo">{text.obsSteps.map((each) => <li key={each}>{each}</li>)}</ol>
      </section>
      <section class="stack">
        <h3>{text.ffmpeg}</h3>
        <p class="small soft">{text.ffmpegHint}</p>
        <pre class="command" tabIndex={0} aria-label={text.ffmpeg}><code>{command}</code></pre>
        <div class="row"><button class="button small" type="button" aria-label={text.copyCommand} onClick={() => void copy(command)}><Copy aria-hidden />{common.copy}</button></div>
      </section>
    </div>
  )
}
