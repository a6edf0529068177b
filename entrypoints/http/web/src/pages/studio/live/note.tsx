/** Says something to the players, at the point of the broadcast that is being made. */
import { useState } from 'preact/hooks'
import { type Stream, api, ask } from '../../../api/client'
import { goLive } from '../../../text'
import { Field, Submit, useAction } from '../../../ui/form'
import { toast } from '../../../ui/overlay'
import { Wrong } from '../../../ui/page'

const text = goLive.metadata

export function Note({ stream }: { stream: Stream }) {
  const [note, setNote] = useState('')
  const { run, busy, error } = useAction(() => ask(api.POST('/v1/streams/{stream_id}/metadata', { params: { path: { stream_id: stream.id } }, body: { text: note } })))
  async function send(event: Event): Promise<void> {
    event.preventDefault()
    if (!(await run())) return
    setNote('')
    toast(text.sent)
  }
  return (
    <form class="panel form" onSubmit={send}>
      <Field label={text.title} hint={text.hint} required value={note} onInput={(event) => setNote(event.currentTarget.value)} />
      <Wrong error={error} />
      <div class="row"><Submit busy={busy}>{text.send}</Submit></div>
    </form>
  )
}
