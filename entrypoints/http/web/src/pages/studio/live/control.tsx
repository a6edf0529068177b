/** The control room of a stream: what goes out, how it is, the chat, and what to do. */
import { ArrowLeft, EllipsisVertical, ExternalLink, Lock, Pencil, Power, PowerOff, Square, Trash2 } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useEffect, useState } from 'preact/hooks'
import { useChannel } from '../../../api/channels'
import { type Stream, api, ask, missing } from '../../../api/client'
import { queries } from '../../../api/queries'
import { keepsOrder } from '../../../api/session'
import { type Session, look, show, useStream } from '../../../api/streams'
import { Chat } from '../../../chat/panel'
import { common, compact, duration, goLive } from '../../../text'
import { to } from '../../../ui/link'
import { Confirm, Dialog, Menu, attempt, toast } from '../../../ui/overlay'
import { Failure, State, useTitle } from '../../../ui/page'
import { Connect } from './connect'
import { type Followed, useBroadcast } from './follow'
import { StreamForm } from './form'
import { Health } from './health'
import { Note } from './note'
import { Past } from './past'
import { Preview } from './preview'
import { Schedule } from './schedule'
import { Timeline } from './timeline'

const IDLE_MS = 3_000
const LIVE_MS = 10_000

export function Control({ id }: { id: string }) {
  const { data: stream, isPending, error, refetch } = useStream(id, (each) => (each?.status === 'live' ? LIVE_MS : IDLE_MS))
  useTitle(stream?.title)
  if (isPending) return <Bones />
  if (!stream || missing(error)) return <div class="page"><Failure page error={error} retry={refetch} /></div>
  return <Room key={stream.id} stream={stream} />
}

function Room({ stream }: { stream: Stream }) {
  const followed = useBroadcast(stream.current_session_id)
  const { session, events } = followed
  const channel = useChannel(stream.channel.id).data
  const role = channel?.viewer?.role
  const edits = role === 'owner' || role === 'editor'
  const live = stream.status === 'live'
  useEffect(() => {
    if (session?.status === 'ended') void look(stream.id) // its own connection hears of it first
  }, [session?.status])
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ['streams', 'sessions', stream.id] })
  }, [stream.current_session_id])
  if (channel && !role && !keepsOrder()) return <div class="page"><NotYours stream={stream} /></div>
  return (
    <div class="page control">
      <Head stream={stream} session={session} edits={edits} />
      <div class="control-parts">
        <div class="stack loose">
          <Preview stream={stream} session={session} />
          {live && <Figures stream={stream} followed={followed} />}
          {live && <Health followed={followed} />}
          {stream.status !== 'disabled' && edits && <Connect stream={stream} open={!live} />}
          {live && edits && <Note stream={stream} />}
          {!live && stream.status !== 'disabled' && <Schedule stream={stream} edits={edits} />}
          {live && <Timeline events={events} since={session?.started_at ?? null} />}
          <Past stream={stream} />
        </div>
        <div class="control-chat"><Chat stream={stream} /></div>
      </div>
    </div>
  )
}

function NotYours({ stream }: { stream: Stream }) {
  return (
    <State icon={<Lock aria-hidden />} title={goLive.notYoursTitle}>
      <p>{goLive.notYours}</p>
      <a class="button" href={to.live(stream)}>{goLive.page}</a>
    </State>
  )
}

type Asked = 'edit' | 'stop' | 'disable' | 'remove'

function Head({ stream, session, edits }: { stream: Stream; session: Session | null; edits: boolean }) {
  const [asked, setAsked] = useState<Asked | null>(null)
  const { route } = useLocation()
  const none = () => setAsked(null)
  const path = { stream_id: stream.id }
  const status = session?.status === 'reconnecting' ? 'reconnecting' : stream.status

  async function stop(): Promise<void> {
    await attempt(async () => show(await ask(api.POST('/v1/streams/{stream_id}/stop', { params: { path } }))))
  }
  async function enable(): Promise<void> {
    if (await attempt(async () => show(await ask(api.POST('/v1/streams/{stream_id}/enable', { params: { path } }))))) toast(goLive.enabled)
  }
  async function disable(): Promise<void> {
    await attempt(async () => show(await ask(api.POST('/v1/streams/{stream_id}/disable', { params: { path } }))))
  }
  async function remove(): Promise<void> {
    if (!(await attempt(() => ask(api.DELETE('/v1/streams/{stream_id}', { params: { path } }))))) return
    toast(goLive.removed)
    await queries.invalidateQueries({ queryKey: ['streams', 'channel'] })
    route('/studio/live')
  }

  return (
    <header class="control-head">
      <a class="small soft back" href="/studio/live"><ArrowLeft aria-hidden />{goLive.back}</a>
      <div class="row apart wrap">
        <div class="row grow">
          <h1 class="clip-2 person">{stream.title}</h1>
          <span class={status === 'live' ? 'tag live' : 'badge'} role="status">{goLive.statuses[status]}</span>
          {stream.visibility !== 'public' && <span class="badge">{common.visibility[stream.visibility]}</span>}
        </div>
        <div class="row wrap">
          <a class="button" href={to.live(stream)}><ExternalLink aria-hidden />{goLive.page}</a>
          {stream.status === 'live' && <button class="button danger" type="button" onClick={() => setAsked('stop')}><Square aria-hidden />{goLive.stop}</button>}
          {stream.status === 'disabled' && edits && <button class="button accent" type="button" onClick={() => void enable()}><Power aria-hidden />{goLive.enable}</button>}
          {edits && (
            <Menu label={goLive.more} class="button icon" icon={<EllipsisVertical aria-hidden />}>
              <button type="button" onClick={() => setAsked('edit')}><Pencil aria-hidden />{goLive.form.edit}</button>
              {stream.status !== 'disabled' && <button type="button" onClick={() => setAsked('disable')}><PowerOff aria-hidden />{goLive.disable}</button>}
              <hr />
              <button type="button" onClick={() => setAsked('remove')}><Trash2 aria-hidden />{goLive.remove}</button>
            </Menu>
          )}
        </div>
      </div>
      <Dialog open={asked === 'edit'} title={goLive.form.editTitle} onClose={none}>
        <StreamForm channel={stream.channel} stream={stream} onDone={() => { none(); toast(common.saved) }} />
      </Dialog>
      <Confirm open={asked === 'stop'} title={goLive.stopTitle} action={goLive.stopDo} cancel={goLive.cancel} onClose={none} onConfirm={stop}><p>{goLive.stopText}</p></Confirm>
      <Confirm open={asked === 'disable'} title={goLive.disableTitle} action={goLive.disable} cancel={goLive.cancel} onClose={none} onConfirm={disable}><p>{goLive.disableText}</p></Confirm>
      <Confirm open={asked === 'remove'} title={goLive.removeTitle} action={goLive.removeDo} cancel={goLive.cancel} onClose={none} onConfirm={remove}><p>{goLive.removeText}</p></Confirm>
    </header>
  )
}

function Figures({ stream, followed: { session } }: { stream: Stream; followed: Followed }) {
  const since = stream.live_since
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <dl class="figures">
      <div><dt>{goLive.viewers}</dt><dd>{compact(session?.viewer_count ?? stream.viewer_count)}</dd></div>
      <div><dt>{goLive.past.peak}</dt><dd>{compact(session?.peak_viewers ?? stream.viewer_count)}</dd></div>
      <div><dt>{goLive.since}</dt><dd>{since ? duration((now - Date.parse(since)) / 1000) : '–'}</dd></div>
      <div><dt>{goLive.interruptions}</dt><dd>{session ? Math.max(0, session.connections - 1) : '–'}</dd></div>
    </dl>
  )
}

function Bones() {
  return (
    <div class="page control" role="status" aria-label={common.loading}>
      <div class="control-head"><span class="bone">&nbsp;</span></div>
      <div class="control-parts" aria-hidden>
        <div class="stack loose"><div class="picture bone" /><div class="bone">&nbsp;</div></div>
        <div class="control-chat bone" />
      </div>
    </div>
  )
}
