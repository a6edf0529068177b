/** Where an encoder sends to. The key is asked for when it is wanted, shown until it is hidden, and kept nowhere. */
import { ChevronRight, Copy, Eye, EyeOff, RefreshCw } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useEffect, useState } from 'preact/hooks'
import { type Stream, api, ask } from '../../../api/client'
import { common, goLive } from '../../../text'
import { copy } from '../../../ui/copy'
import { useAction } from '../../../ui/form'
import { Confirm, attempt, toast } from '../../../ui/overlay'
import { Wrong } from '../../../ui/page'

const SHOWN_MS = 60_000
const text = goLive.connect

export function Connect({ stream, open }: { stream: Stream; open: boolean }) {
  const [shown, setShown] = useState(open) // to ask where to send is to have that place made
  return (
    <details class="panel connect" open={open} onToggle={(event) => event.currentTarget.open && setShown(true)}>
      <summary><ChevronRight aria-hidden /><h2>{text.title}</h2></summary>
      <div class="stack loose">
        {shown && <Key stream={stream} />}
      </div>
    </details>
  )
}

function Key({ stream }: { stream: Stream }) {
  const [key, setKey] = useState<string | null>(null)
  const [asked, setAsked] = useState(false)
  const path = { stream_id: stream.id }
  const { data: server, error: unknown } = useQuery({
    queryKey: ['streams', 'server', stream.id],
    queryFn: async () => (await ask(api.GET('/v1/streams/{stream_id}/ingest', { params: { path, query: { without: 'key' } } }))).server_url,
  })

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

  const { run, busy, error } = useAction(async (use: (key: string) => unknown) => {
    const { stream_key: found } = await ask(api.GET('/v1/streams/{stream_id}/ingest', { params: { path } }))
    if (found) await use(found)
  })
  async function rotate(): Promise<void> {
    const done = await attempt(async () => setKey((await ask(api.POST('/v1/streams/{stream_id}/rotate-key', { params: { path } }))).stream_key))
    if (done) toast(text.rotated)
  }

  return (
    <>
      <Wrong error={error ?? unknown} />
      <div class="stack">
        <div class="secret">
          <span class="label">{text.server}</span>
          <code class="clip">{server ?? ' '}</code>
          <button class="button small" type="button" disabled={!server} aria-label={text.copyServer} onClick={() => server && void copy(server)}><Copy aria-hidden />{common.copy}</button>
        </div>
        <div class="secret">
          <span class="label">{text.key}</span>
          <code class={key ? undefined : 'clip'}>{key ?? text.keyHidden}</code>
          <button class="button small" type="button" disabled={busy} aria-label={text.copyKey} onClick={() => void (key ? copy(key) : run(copy))}><Copy aria-hidden />{common.copy}</button>
          {key ? (
            <button class="button small" type="button" onClick={() => setKey(null)}><EyeOff aria-hidden />{text.hide}</button>
          ) : (
            <button class="button small" type="button" disabled={busy} onClick={() => void run(setKey)}><Eye aria-hidden />{text.show}</button>
          )}
        </div>
        <div class="row apart wrap">
          <p class="small soft grow">{text.keyHint}</p>
          <button class="button bare small" type="button" onClick={() => setAsked(true)}><RefreshCw aria-hidden />{text.rotate}</button>
        </div>
      </div>
      <Steps server={server ?? 'SERVER'} streamKey={key} />
      <Confirm open={asked} title={text.rotateTitle} action={text.rotateDo} cancel={goLive.cancel} onClose={() => setAsked(false)} onConfirm={rotate}><p>{text.rotateText}</p></Confirm>
    </>
  )
}

function Steps({ server, streamKey }: { server: string; streamKey: string | null }) {
  const command = text.command(server, streamKey ?? 'KEY')
  return (
    <div class="ways">
      <section class="stack">
        <h3>{text.obs}</h3>
        <ol class="todo">{text.obsSteps.map((each) => <li key={each}>{each}</li>)}</ol>
      </section>
      <section class="stack">
        <h3>{text.ffmpeg}</h3>
        <p class="small soft">{streamKey ? text.ffmpegWhole : text.ffmpegHint}</p>
        <pre class="command" tabIndex={0} aria-label={text.ffmpeg}><code>{command}</code></pre>
        <div class="row"><button class="button small" type="button" aria-label={text.copyCommand} onClick={() => void copy(command)}><Copy aria-hidden />{common.copy}</button></div>
      </section>
    </div>
  )
}
