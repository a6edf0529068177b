/** What who moderates decides: who may write, how fast, and who may not any more. */
import { useState } from 'preact/hooks'
import { type Schemas, type Stream, api, ask } from '../api/client'
import { queries, useListing } from '../api/queries'
import { chat, common } from '../text'
import { More } from '../ui/cards'
import { Field, Submit, useAction } from '../ui/form'
import { Dialog, attempt, toast } from '../ui/overlay'
import { Failure, Wrong } from '../ui/page'

interface RulesProps {
  stream: Stream
  rules: Schemas['ChatRulesView']
  open: boolean
  onClose: () => void
}

export function Rules({ stream, rules, open, onClose }: RulesProps) {
  return (
    <Dialog open={open} title={chat.rules.title} onClose={onClose}>
      <RulesForm stream={stream} rules={rules} onDone={onClose} />
      <Bans stream={stream} />
    </Dialog>
  )
}

function RulesForm({ stream, rules, onDone }: { stream: Stream; rules: Schemas['ChatRulesView']; onDone: () => void }) {
  const [enabled, setEnabled] = useState(rules.enabled)
  const [slow, setSlow] = useState(String(rules.slow_mode_s))
  const [followers, setFollowers] = useState(rules.followers_only)
  const { run, busy, error, fields } = useAction(async () => {
    const body = { enabled, slow_mode_s: Number(slow), followers_only: followers }
    const saved = await ask(api.PATCH('/v1/streams/{stream_id}/chat-rules', { params: { path: { stream_id: stream.id } }, body }))
    queries.setQueryData(['streams', stream.id, 'chat-rules'], saved)
  })
  async function save(event: Event): Promise<void> {
    event.preventDefault()
    if (!(await run())) return
    toast(chat.rules.saved)
    onDone()
  }
  return (
    <form class="form" onSubmit={save}>
      <label class="check"><input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />{chat.rules.enabled}</label>
      <label class="check"><input type="checkbox" checked={followers} onChange={(event) => setFollowers(event.currentTarget.checked)} />{chat.rules.followers}</label>
      <Field label={chat.rules.slow} hint={chat.rules.slowHint} error={fields.slow_mode_s} type="number" min={0} max={600} step={1} required value={slow} onInput={(event) => setSlow(event.currentTarget.value)} />
      <Wrong error={error} />
      <div class="row"><Submit busy={busy}>{chat.rules.save}</Submit></div>
    </form>
  )
}

function Bans({ stream }: { stream: Stream }) {
  const key = ['streams', stream.id, 'chat-bans']
  const bans = useListing(key, (cursor) => ask(api.GET('/v1/streams/{stream_id}/chat-bans', { params: { path: { stream_id: stream.id }, query: { cursor } } })))
  async function lift(user: string): Promise<void> {
    const path = { stream_id: stream.id, user_id: user }
    await attempt(() => ask(api.DELETE('/v1/streams/{stream_id}/chat-bans/{user_id}', { params: { path } })))
    await queries.invalidateQueries({ queryKey: key })
  }
  return (
    <section class="stack">
      <h3>{chat.rules.bans}</h3>
      {bans.isPending ? (
        <p class="bone" role="status" aria-label={common.loading}>&nbsp;</p>
      ) : bans.isError ? (
        <Failure error={bans.error} retry={bans.refetch} />
      ) : bans.items.length === 0 ? (
        <p class="soft small">{chat.rules.nobody}</p>
      ) : (
        <ul class="stack">
          {bans.items.map((each) => (
            <li key={each.user_id} class="row apart">
              <span class="person clip">{each.handle ? `@${each.handle}` : chat.rules.gone}</span>
              <button class="button small" type="button" aria-label={chat.rules.liftOf(each.handle ?? chat.rules.gone)} onClick={() => void lift(each.user_id)}>{chat.rules.lift}</button>
            </li>
          ))}
        </ul>
      )}
      <More has={bans.hasNextPage} busy={bans.isFetchingNextPage} next={bans.fetchNextPage} />
    </section>
  )
}
