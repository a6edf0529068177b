/** The settings of a channel: what it shows of itself, its pictures, rules for comments, members, subscribers, its end. */
import { useLocation } from 'preact-iso'
import { useQuery } from '@tanstack/preact-query'
import { may } from '../../api/channels'
import { api, ask, onlyIf, type Channel, type Schemas } from '../../api/client'
import { queries } from '../../api/queries'
import { channelEdit as text, channels as listText, common } from '../../text'
import { Ending } from '../../ui/ending'
import { Field } from '../../ui/form'
import { toast } from '../../ui/overlay'
import { Failure, useTitle } from '../../ui/page'
import { Address } from './channels'
import { Members, Subscribers } from './channel-people'
import { Pictures } from './channel-pictures'
import { useDraft } from './draft'
import { refresh } from './mine'
import { ForEditors } from './none'
import { Saving } from './saving'

const key = (id: string) => ['studio', 'channel', id] as const
const show = (id: string) => ask(api.GET('/v1/channels/{channel_id}', { params: { path: { channel_id: id } } }))

export default function ChannelEdit({ params }: { params?: Record<string, string> }) {
  const id = params?.id ?? ''
  const { data: channel, error, refetch } = useQuery({ queryKey: key(id), queryFn: () => show(id) })
  useTitle(channel ? `${text.title}: ${channel.name}` : text.title)
  return (
    <div class="page middle">
      <h1>{text.title}</h1>
      {channel ? (
        may(channel, 'edit') ? <Settings key={id} channel={channel} /> : <ForEditors channel={channel} />
      ) : error ? (
        <Failure error={error} retry={refetch} />
      ) : (
        <div class="stack" role="status" aria-label={common.loading}><div class="bone form-bone" /><div class="bone form-bone" /></div>
      )}
    </div>
  )
}

function Settings({ channel }: { channel: Channel }) {
  return (
    <>
      <section class="panel stack"><h2>{text.about}</h2><About channel={channel} /></section>
      <section class="panel stack"><h2>{text.pictures}</h2><Pictures channel={channel} /></section>
      <section class="panel stack"><h2>{text.comments}</h2><Policy channel={channel} /></section>
      {may(channel, 'manage') && (
        <>
          <section class="panel stack"><h2>{text.members}</h2><Members channel={channel} /></section>
          <section class="panel stack"><h2>{text.subscribers}</h2><Subscribers channel={channel} /></section>
          <section class="panel stack"><h2>{text.close}</h2><Close channel={channel} /></section>
        </>
      )}
    </>
  )
}

async function patch(id: string, body: Schemas['ChannelPatch'], version: number): Promise<Channel> {
  const saved = await ask(api.PATCH('/v1/channels/{channel_id}', { params: { path: { channel_id: id }, header: onlyIf(version) }, body }))
  queries.setQueryData(key(id), saved)
  toast(common.saved)
  refresh()
  return saved
}

function About({ channel }: { channel: Channel }) {
  const draft = useDraft(channel, {
    fields: ({ name, handle, description }) => ({ name, handle, description }),
    save: (changes, version) => patch(channel.id, changes, version),
    fresh: () => show(channel.id),
  })
  const { typed, wrong, set } = draft
  return (
    <form class="form" onSubmit={(event) => {
      event.preventDefault()
      void draft.submit()
    }}>
      <Field label={listText.name} value={typed.name} required maxLength={100} dir="auto" error={wrong.name} onInput={(event) => set({ name: event.currentTarget.value })} />
      <Field label={listText.handle} value={typed.handle} required minLength={3} maxLength={31} autoCapitalize="none" spellcheck={false} readOnly={!may(channel, 'manage')} hint={may(channel, 'manage') ? text.handleMoves : text.handleOwner} error={wrong.handle} onInput={(event) => set({ handle: event.currentTarget.value })} />
      <Address handle={typed.handle} channel={channel} />
      <Field label={listText.description} area value={typed.description} maxLength={5000} dir="auto" error={wrong.description} onInput={(event) => set({ description: event.currentTarget.value })} />
      <Saving draft={draft} />
    </form>
  )
}

const HOLDS = ['none', 'links', 'newcomers', 'all'] as const
const POLICY: Schemas['CommentPolicyView'] = { hold: 'none', words: [], enabled: true }

function Policy({ channel }: { channel: Channel }) {
  const draft = useDraft(channel, {
    fields: ({ comment_policy: policy }) => {
      const { hold, words, enabled } = policy ?? POLICY
      return { hold, enabled, words: words.join('\n') }
    },
    save: ({ words, ...rest }, version) => patch(channel.id, { comment_policy: { ...rest, ...(words !== undefined && { words: words.split('\n').map((each) => each.trim()).filter(Boolean) }) } }, version),
    fresh: () => show(channel.id),
  })
  const { typed, wrong, set } = draft
  return (
    <form class="form" onSubmit={(event) => {
      event.preventDefault()
      void draft.submit()
    }}>
      <label class="check"><input type="checkbox" checked={typed.enabled} onChange={(event) => set({ enabled: event.currentTarget.checked })} />{text.enabled}</label>
      <fieldset class="plain field" disabled={!typed.enabled}>
        <legend class="label">{text.hold}</legend>
        <div class="options">
          {HOLDS.map((each) => (
            <label key={each} class="choice">
              <input type="radio" name="hold" checked={typed.hold === each} onChange={() => set({ hold: each })} />
              <span><span class="strong small">{text.holds[each][0]}</span><span class="tiny soft">{text.holds[each][1]}</span></span>
            </label>
          ))}
        </div>
      </fieldset>
      <Field label={text.words} area value={typed.words} disabled={!typed.enabled} dir="auto" hint={text.wordsHint} error={wrong['comment_policy.words'] ?? wrong.words} onInput={(event) => set({ words: event.currentTarget.value })} />
      <Saving draft={draft} />
    </form>
  )
}

function Close({ channel }: { channel: Channel }) {
  const { route } = useLocation()
  async function end(): Promise<void> {
    await ask(api.DELETE('/v1/channels/{channel_id}', { params: { path: { channel_id: channel.id }, header: onlyIf(channel.version) } }))
    toast(text.closed(channel.name))
    route('/studio/channels')
    refresh(channel.id)
  }
  return <Ending handle={channel.handle} title={text.close} why={text.closeWhy} onEnd={end} />
}
