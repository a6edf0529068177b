/** The channels one works on, and opening another. */
import { Clapperboard, ExternalLink, Pencil } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import { may } from '../../api/channels'
import { api, ask, type Channel } from '../../api/client'
import { queries } from '../../api/queries'
import { channels as text, common } from '../../text'
import { Avatar } from '../../ui/avatar'
import { Field, Form, Submit, useAction } from '../../ui/form'
import { next, to } from '../../ui/link'
import { toast } from '../../ui/overlay'
import { Failure, State, useTitle } from '../../ui/page'
import { choose, mineKey, useMine } from './mine'

export default function Channels() {
  useTitle(text.title)
  const { channels, isPending, error, refetch } = useMine()
  return (
    <div class="page middle">
      <h1>{text.title}</h1>
      {isPending ? (
        <div class="stack" role="status" aria-label={common.loading}><div class="bone channel-row" /><div class="bone channel-row" /></div>
      ) : error && !channels.length ? (
        <Failure error={error} retry={refetch} />
      ) : channels.length ? (
        <ul class="stack">{channels.map((each) => <li key={each.id}><Row channel={each} /></li>)}</ul>
      ) : (
        <State icon={<Clapperboard aria-hidden />} title={text.none}><p>{text.noneWhy}</p></State>
      )}
      {!isPending && (
        <section class="stack">
          <h2>{text.open}</h2>
          <div class="panel"><OpenChannel /></div>
        </section>
      )}
    </div>
  )
}

function Row({ channel }: { channel: Channel }) {
  return (
    <article class="panel row channel-row">
      <Avatar name={channel.name} url={channel.avatar_url} size="3rem" />
      <div class="grow">
        <h2 class="clip person">{channel.name}</h2>
        <p class="small soft clip">@{channel.handle} · {common.subscribers(channel.counts.subscribers)}{channel.viewer?.role && ` · ${text.roles[channel.viewer.role]}`}</p>
      </div>
      <a class="button icon bare" href={to.channel(channel)} aria-label={`${text.view}: ${channel.name}`} title={text.view}><ExternalLink aria-hidden /></a>
      {may(channel, 'edit') && <a class="button line" href={`/studio/channels/${channel.id}`} aria-label={`${text.edit}: ${channel.name}`}><Pencil aria-hidden /><span class="only-wide">{text.edit}</span></a>}
    </article>
  )
}

/** As the API tidies it, so that the address that is shown is the one it will have. */
const tidy = (handle: string) => handle.trim().replace(/^@/, '').toLowerCase()
const suggested = (name: string) => name.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 30).replace(/_+$/, '')

export function OpenChannel() {
  const { route, query } = useLocation()
  const [typed, setTyped] = useState({ name: '', handle: '', description: '', own: false })
  const handle = typed.own ? typed.handle : suggested(typed.name)
  const action = useAction(async () => {
    const opened = await ask(api.POST('/v1/channels', { body: { name: typed.name, handle, description: typed.description } }))
    choose(opened.id)
    await queries.invalidateQueries({ queryKey: mineKey })
    toast(text.opened(opened.name))
    route(query.next ? next(location.search) : `/studio/channels/${opened.id}`)
  })
  return (
    <Form action={action}>
      <Field label={text.name} value={typed.name} required maxLength={100} hint={text.nameHint} error={action.fields.name} dir="auto" onInput={(event) => setTyped({ ...typed, name: event.currentTarget.value })} />
      <Field label={text.handle} value={handle} required minLength={3} maxLength={31} autoCapitalize="none" autoComplete="off" spellcheck={false} hint={text.handleHint} error={action.fields.handle} onInput={(event) => setTyped({ ...typed, handle: event.currentTarget.value, own: true })} />
      <Address handle={handle} />
      <Field label={text.description} area value={typed.description} maxLength={5000} error={action.fields.description} dir="auto" onInput={(event) => setTyped({ ...typed, description: event.currentTarget.value })} />
      <div><Submit busy={action.busy}>{text.openIt}</Submit></div>
    </Form>
  )
}

/** The address that a handle makes; of a channel that has it already it is a link. */
export function Address({ handle, channel }: { handle: string; channel?: Channel }) {
  const typed = tidy(handle)
  const address = <strong class="address">{location.host}/@{typed || '…'}</strong>
  return channel?.handle === typed ? <p class="small soft">{text.addressIs} <a href={to.channel(channel)}>{address}</a></p> : <p class="small soft">{text.address} {address}</p>
}
