/** What a stream is: when it is made, and when it is changed. */
import { useId, useState } from 'preact/hooks'
import { type Channel, type Schemas, type Stream, api, ask } from '../../../api/client'
import { show } from '../../../api/streams'
import { common, goLive } from '../../../text'
import { Field, Submit, useAction } from '../../../ui/form'
import { Wrong } from '../../../ui/page'

const VISIBILITIES = ['public', 'unlisted', 'private'] as const
const LATENCIES = ['low', 'normal'] as const
const text = goLive.form

type Draft = Omit<Schemas['NewStream'], 'channel_id'>

interface StreamFormProps {
  channel: Pick<Channel, 'id'>
  stream?: Stream
  onDone: (stream: Stream) => void
}

export function StreamForm({ channel, stream, onDone }: StreamFormProps) {
  const [draft, setDraft] = useState<Required<Draft>>({
    title: stream?.title ?? '',
    description: stream?.description ?? '',
    visibility: stream?.visibility ?? 'public',
    record: stream?.record ?? true,
    latency: stream?.latency ?? 'low',
    reconnect_window_s: stream?.reconnect_window_s ?? 60,
  })
  const locked = stream?.status === 'live'
  const { run, busy, error, fields } = useAction(async () => {
    const saved = stream
      ? await ask(api.PATCH('/v1/streams/{stream_id}', { params: { path: { stream_id: stream.id } }, body: changed(stream, draft) }))
      : await ask(api.POST('/v1/streams', { body: { ...draft, channel_id: channel.id } }))
    show(saved)
    onDone(saved)
  })
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change })
  return (
    <form class="form" onSubmit={(event) => { event.preventDefault(); void run() }}>
      <Field label={text.title} required maxLength={100} value={draft.title} error={fields.title} onInput={(event) => set({ title: event.currentTarget.value })} />
      <Field label={text.description} area value={draft.description} error={fields.description} onInput={(event) => set({ description: event.currentTarget.value })} />
      <Choice label={text.visibility} value={draft.visibility} options={VISIBILITIES} names={common.visibility} hints={text.visibilityHint} onChange={(visibility) => set({ visibility })} />
      <label class="check">
        <input type="checkbox" checked={draft.record} disabled={locked} onChange={(event) => set({ record: event.currentTarget.checked })} />{text.record}
      </label>
      <Choice label={text.latency} value={draft.latency} options={LATENCIES} names={goLive.latencies} hints={text.latencyHint} disabled={locked} onChange={(latency) => set({ latency })} />
      <Field label={text.window} hint={text.windowHint} type="number" min={0} max={300} step={1} required disabled={locked} value={draft.reconnect_window_s}
        error={fields.reconnect_window_s} onInput={(event) => set({ reconnect_window_s: event.currentTarget.valueAsNumber || 0 })} />
      {locked && <p class="small soft">{text.locked}</p>}
      <Wrong error={error} />
      <div class="row"><Submit busy={busy}>{stream ? text.save : goLive.createDo}</Submit></div>
    </form>
  )
}

/** Only what is other than before: the rest may not be changed during a broadcast. */
function changed(stream: Stream, draft: Required<Draft>): Partial<Draft> {
  return Object.fromEntries(Object.entries(draft).filter(([name, value]) => stream[name as keyof Draft] !== value))
}

interface ChoiceProps<T extends string> {
  label: string
  value: string
  options: readonly T[]
  names: Readonly<Record<T, string>>
  hints: Readonly<Record<T, string>>
  disabled?: boolean
  onChange: (value: T) => void
}

function Choice<T extends string>({ label, value, options, names, hints, disabled, onChange }: ChoiceProps<T>) {
  const id = useId()
  const chosen = options.find((each) => each === value)
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} disabled={disabled} aria-describedby={`${id}-hint`} onChange={(event) => {
        const wanted = options.find((each) => each === event.currentTarget.value)
        if (wanted) onChange(wanted)
      }}>
        {options.map((each) => <option key={each} value={each}>{names[each]}</option>)}
      </select>
      {chosen && <span class="hint" id={`${id}-hint`}>{hints[chosen]}</span>}
    </div>
  )
}
