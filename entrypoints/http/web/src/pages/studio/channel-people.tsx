/** Who helps with a channel, and who follows it. */
import { UserMinus, Users } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useId, useState } from 'preact/hooks'
import { api, ask, type Channel, type Schemas } from '../../api/client'
import { useListing } from '../../api/queries'
import { ago, channelEdit as text, channels as listText, common } from '../../text'
import { Avatar } from '../../ui/avatar'
import { More } from '../../ui/cards'
import { Submit, useAction } from '../../ui/form'
import { Confirm, attempt } from '../../ui/overlay'
import { Failure, Wrong } from '../../ui/page'
import { refresh } from './mine'

type Role = Exclude<Schemas['Member'], 'owner'>
const ROLES: readonly Role[] = ['editor', 'moderator']
const followersKey = (id: string) => ['studio', 'subscribers', id]
const fetchFollowers = (id: string, cursor?: string) => ask(api.GET('/v1/channels/{channel_id}/subscribers', { params: { path: { channel_id: id }, query: { limit: 50, cursor } } }))

async function enroll(channel: Channel, user: string, role: Role): Promise<void> {
  await ask(api.PUT('/v1/channels/{channel_id}/members/{user_id}', { params: { path: { channel_id: channel.id, user_id: user } }, body: { role } }))
  refresh()
}

export function Members({ channel }: { channel: Channel }) {
  const [leaving, setLeaving] = useState<string | null>(null)
  const followers = useQuery({ queryKey: [...followersKey(channel.id), 'first'], queryFn: () => fetchFollowers(channel.id) })
  const helpers = channel.members ?? []
  const named = (id: string) => helpers.find((each) => each.user_id === id)?.display_name ?? text.gone
  return (
    <>
      <p class="soft small">{text.membersWhy}</p>
      {helpers.length ? (
        <ul class="stack">
          {helpers.map((each) => (
            <li key={each.user_id} class="row">
              <Avatar name={named(each.user_id)} />
              <span class="grow">
                <span class="clip strong small person block">{named(each.user_id)}</span>
                {each.handle !== null && <span class="clip tiny soft block">@{each.handle}</span>}
              </span>
              <RoleSelect role={each.role as Role} label={text.roleOf(named(each.user_id))} change={(role) => enroll(channel, each.user_id, role)} />
              <button class="button icon bare" type="button" aria-label={text.removeMember(named(each.user_id))} title={text.removeMember(named(each.user_id))} onClick={() => setLeaving(each.user_id)}><UserMinus aria-hidden /></button>
            </li>
          ))}
        </ul>
      ) : (
        <p class="small">{text.nobody}</p>
      )}
      <AddMember channel={channel} known={(followers.data?.data ?? []).map(({ user }) => user).filter(({ id }) => !helpers.some((each) => each.user_id === id))} />
      <Confirm open={leaving !== null} title={text.removeMemberTitle} action={common.remove} cancel={common.cancel} onClose={() => setLeaving(null)}
        onConfirm={() => leaving !== null && attempt(async () => {
          await ask(api.DELETE('/v1/channels/{channel_id}/members/{user_id}', { params: { path: { channel_id: channel.id, user_id: leaving } } }))
          refresh()
        })}>
        <p>{text.removeMemberWhy(leaving === null ? '' : named(leaving))}</p>
      </Confirm>
    </>
  )
}

/** Shows what is chosen; and again what was, where the API refuses. */
function RoleSelect({ role, label, change }: { role: Role; label: string; change: (role: Role) => Promise<void> }) {
  async function choose(select: HTMLSelectElement): Promise<void> {
    if (!(await attempt(() => change(select.value as Role)))) select.value = role
  }
  return (
    <select class="input compact" aria-label={label} value={role} onChange={(event) => void choose(event.currentTarget)}>
      {ROLES.map((each) => <option key={each} value={each}>{listText.roles[each]}</option>)}
    </select>
  )
}

function AddMember({ channel, known }: { channel: Channel; known: readonly Schemas['PersonView'][] }) {
  const id = useId()
  const [person, setPerson] = useState('')
  const [role, setRole] = useState<Role>('moderator')
  const action = useAction(async () => {
    await enroll(channel, `@${person.trim().replace(/^@/, '')}`, role)
    setPerson('')
  })
  return (
    <form class="form" onSubmit={(event) => {
      event.preventDefault()
      void action.run()
    }}>
      <h3>{text.addMember}</h3>
      <Wrong error={action.error} />
      <div class="row wrap end">
        <div class="field grow">
          <label for={id}>{text.person}</label>
          <input id={id} value={person} required list={`${id}-known`} autoComplete="off" autoCapitalize="none" spellcheck={false} aria-describedby={`${id}-hint`} onInput={(event) => setPerson(event.currentTarget.value)} />
          <datalist id={`${id}-known`}>{known.map((each) => <option key={each.id} value={`@${each.handle}`}>{each.display_name}</option>)}</datalist>
        </div>
        <div class="field">
          <label for={`${id}-role`}>{text.role}</label>
          <select id={`${id}-role`} value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
            {ROLES.map((each) => <option key={each} value={each}>{listText.roles[each]}</option>)}
          </select>
        </div>
        <Submit busy={action.busy}>{text.add}</Submit>
      </div>
      <span class="hint small soft" id={`${id}-hint`}>{text.personHint}</span>
    </form>
  )
}

export function Subscribers({ channel }: { channel: Channel }) {
  const list = useListing(followersKey(channel.id), (cursor) => fetchFollowers(channel.id, cursor))
  if (list.isPending) return <div class="bone channel-row" role="status" aria-label={common.loading} />
  if (list.isError && !list.items.length) return <Failure error={list.error} retry={list.refetch} />
  if (!list.items.length) return <p class="row small soft"><Users aria-hidden />{text.noSubscribers}</p>
  return (
    <>
      <ul class="people">
        {list.items.map(({ user, since }) => (
          <li key={user.id} class="row">
            <Avatar name={user.display_name} url={user.avatar_url} />
            <span class="grow">
              <span class="clip strong small person block">{user.display_name}</span>
              <span class="clip tiny soft block">@{user.handle} · {text.since(ago(since))}</span>
            </span>
          </li>
        ))}
      </ul>
      <More has={list.hasNextPage} busy={list.isFetchingNextPage} next={list.fetchNextPage} />
    </>
  )
}
