/** When the next broadcast is announced for. */
import { CalendarClock } from 'lucide-preact'
import { useState } from 'preact/hooks'
import { type Stream, api, ask } from '../../../api/client'
import { look } from '../../../api/streams'
import { ago, at, goLive } from '../../../text'
import { Field, Submit, localTime, useAction } from '../../../ui/form'
import { Dialog, attempt, toast } from '../../../ui/overlay'
import { Wrong } from '../../../ui/page'

const text = goLive.schedule

export function Schedule({ stream, edits }: { stream: Stream; edits: boolean }) {
  const [asking, setAsking] = useState(false)
  const path = { stream_id: stream.id }
  async function clear(): Promise<void> {
    const done = await attempt(() => ask(api.DELETE('/v1/streams/{stream_id}/schedule', { params: { path } })))
    await look(stream.id)
    if (done) toast(text.cleared)
  }
  return (
    <section class="panel row apart wrap">
      <div class="row grow">
        <CalendarClock aria-hidden />
        <div>
          <h2>{text.title}</h2>
          <p class="soft small">{stream.starts_at ? <><time dateTime={stream.starts_at}>{at(stream.starts_at)}</time> ({ago(stream.starts_at)})</> : text.none}</p>
        </div>
      </div>
      {edits && (
        <div class="row">
          {stream.starts_at && <button class="button" type="button" onClick={() => void clear()}>{text.clear}</button>}
          <button class="button" type="button" onClick={() => setAsking(true)}>{stream.starts_at ? text.change : text.announce}</button>
        </div>
      )}
      <Dialog open={asking} title={text.title} onClose={() => setAsking(false)}>
        <ScheduleForm stream={stream} onDone={() => setAsking(false)} />
      </Dialog>
    </section>
  )
}

function ScheduleForm({ stream, onDone }: { stream: Stream; onDone: () => void }) {
  const [when, setWhen] = useState(localTime(stream.starts_at ? new Date(stream.starts_at) : new Date(Date.now() + 3_600_000)))
  const { run, busy, error, fields } = useAction(async () => {
    const body = { starts_at: new Date(when).toISOString() }
    await ask(api.POST('/v1/streams/{stream_id}/schedule', { params: { path: { stream_id: stream.id } }, body }))
    await look(stream.id)
  })
  async function save(event: Event): Promise<void> {
    event.preventDefault()
    if (!(await run())) return
    toast(text.saved)
    onDone()
  }
  return (
    <form class="form" onSubmit={save}>
      <Field label={text.field} hint={text.hint} error={fields.starts_at} type="datetime-local" required value={when} min={localTime(new Date())} onInput={(event) => setWhen(event.currentTarget.value)} />
      <Wrong error={error} />
      <div class="row"><Submit busy={busy}>{text.save}</Submit></div>
    </form>
  )
}
