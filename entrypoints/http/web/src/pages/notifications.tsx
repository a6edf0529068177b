/** What one was told, the newest first. */
import { AtSign, Bell, BellRing, CheckCheck, CircleAlert, CircleCheck, Film, MessageCircle, Radio, Reply, Settings, UserRoundPlus } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { type Notice, api, ask } from '../api/client'
import { markRead, useWhereTo } from '../api/notices'
import { useListing } from '../api/queries'
import { ago, at, common, notifications as text } from '../text'
import { More } from '../ui/cards'
import { attempt } from '../ui/overlay'
import { Failure, State, useTitle } from '../ui/page'
import { SignedIn } from '../ui/signed-in'
import './notifications.css'

const ICONS = {
  comment: MessageCircle,
  reply: Reply,
  mention: AtSign,
  subscriber: UserRoundPlus,
  video_published: Film,
  video_ready: CircleCheck,
  video_failed: CircleAlert,
  went_live: Radio,
  stream_near: BellRing,
}

export default function Notifications() {
  useTitle(text.title)
  return (
    <div class="page narrow notifications">
      <SignedIn waiting={<><h1>{text.title}</h1><Bones /></>}>{() => <Inbox />}</SignedIn>
    </div>
  )
}

function Inbox() {
  const unread = useLocation().query.show === 'unread'
  const told = useListing(['notifications', unread ? 'unread-list' : 'list'], (cursor) => ask(api.GET('/v1/me/notifications', { params: { query: { unread, limit: 30, cursor } } })))
  const newest = told.items[0]
  return (
    <>
      <div class="row apart wrap">
        <h1>{text.title}</h1>
        <div class="row">
          {newest && told.items.some((each) => !each.read) && (
            <button class="button" type="button" onClick={() => void attempt(() => markRead({ up_to: newest.id }))}><CheckCheck aria-hidden />{text.readAll}</button>
          )}
          <a class="button bare icon" href="/account" aria-label={text.settings} title={text.settings}><Settings aria-hidden /></a>
        </div>
      </div>
      <nav class="chips" aria-label={text.show}>
        <a class="chip" href="/notifications" aria-current={unread ? undefined : 'true'}>{text.all}</a>
        <a class="chip" href="/notifications?show=unread" aria-current={unread ? 'true' : undefined}>{text.unread}</a>
      </nav>
      {told.isPending ? (
        <Bones />
      ) : told.isError && !told.items.length ? (
        <Failure error={told.error} retry={told.refetch} />
      ) : told.items.length ? (
        <ul aria-live="polite" aria-relevant="additions">{told.items.map((each) => <Told key={each.id} notice={each} />)}</ul>
      ) : (
        <State icon={<Bell aria-hidden />} title={unread ? text.allReadTitle : text.emptyTitle}><p>{unread ? text.allRead : text.empty}</p></State>
      )}
      <More has={told.hasNextPage} busy={told.isFetchingNextPage} next={told.fetchNextPage} />
    </>
  )
}

function Bones() {
  return (
    <div role="status" aria-label={common.loading}>
      {Array.from({ length: 8 }, (_, place) => <div class="told" key={place} aria-hidden><span class="sign bone" /><p class="bone grow">&nbsp;</p></div>)}
    </div>
  )
}

function Told({ notice }: { notice: Notice }) {
  const href = useWhereTo(notice)
  const Icon = Object.hasOwn(ICONS, notice.type) ? ICONS[notice.type] : Bell
  const kind = Object.hasOwn(text.kinds, notice.type) ? text.kinds[notice.type] : null
  const said = <>{!notice.read && <span class="hush">{text.isUnread} </span>}<span class="person">{notice.text}</span></>
  const seen = () => { if (!notice.read) void attempt(() => markRead({ ids: [notice.id] })) }
  return (
    <li class={notice.read ? 'told' : 'told unread'}>
      <span class={`sign ${notice.type}`}><Icon aria-hidden /></span>
      <div class="grow">
        {href === null ? <p class="clip-3">{said}</p> : <a class="clip-3" href={href} onClick={seen}>{said}</a>}
        <p class="soft small">{kind && `${kind} · `}{href === null && `${text.gone} · `}<time dateTime={notice.created_at} title={at(notice.created_at)}>{ago(notice.created_at)}</time></p>
        {href === null && !notice.read && <button class="button small bare" type="button" onClick={seen}><CheckCheck aria-hidden />{text.readThis}</button>}
      </div>
    </li>
  )
}
