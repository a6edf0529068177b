/** A stream's broadcasts so far, and what became of their recordings. */
import { useState } from 'preact/hooks'
import { useQuery } from '@tanstack/preact-query'
import { type Stream, api, ask } from '../../../api/client'
import { useListing } from '../../../api/queries'
import type { Session, SessionEvent } from '../../../api/streams'
import { at, common, compact, duration, goLive } from '../../../text'
import { More } from '../../../ui/cards'
import { to } from '../../../ui/link'
import { Dialog } from '../../../ui/overlay'
import { Failure } from '../../../ui/page'
import { Measured } from './health'
import { Happened } from './timeline'

const text = goLive.past
const SOON_MS = 5_000

export function Past({ stream }: { stream: Stream }) {
  const sessions = useListing(['streams', 'sessions', stream.id], (cursor) =>
    ask(api.GET('/v1/streams/{stream_id}/sessions', { params: { path: { stream_id: stream.id }, query: { limit: 10, cursor } } })),
    true,
    (items: readonly Session[]) => (items.some((each) => (each.status === 'ended' ? each.recording.status === 'processing' : each.id !== stream.current_session_id)) ? SOON_MS : false),
  )
  const [shown, setShown] = useState<Session | null>(null)
  const over = sessions.items.filter((each) => each.status === 'ended')
  return (
    <section class="panel stack">
      <h2>{text.title}</h2>
      {sessions.isPending ? (
        <p class="bone" role="status" aria-label={common.loading}>&nbsp;</p>
      ) : sessions.isError && !sessions.items.length ? (
        <Failure error={sessions.error} retry={sessions.refetch} />
      ) : over.length === 0 ? (
        <p class="soft small">{text.none}</p>
      ) : (
        <div class="scroll">
          <table class="sessions">
            <caption class="hush">{text.caption}</caption>
            <thead>
              <tr><th scope="col">{text.when}</th><th scope="col">{text.length}</th><th scope="col">{text.peak}</th><th scope="col">{text.end}</th><th scope="col">{text.recording}</th><td /></tr>
            </thead>
            <tbody>{over.map((each) => <Row key={each.id} session={each} onShow={() => setShown(each)} />)}</tbody>
          </table>
        </div>
      )}
      <More has={sessions.hasNextPage} busy={sessions.isFetchingNextPage} next={sessions.fetchNextPage} />
      <Dialog open={shown !== null} title={shown ? goLive.past.detailsOf(at(shown.started_at)) : ''} onClose={() => setShown(null)}>
        {shown && <Details session={shown} />}
      </Dialog>
    </section>
  )
}

function lasted(session: Session): string {
  return session.ended_at ? duration((Date.parse(session.ended_at) - Date.parse(session.started_at)) / 1000) : '–'
}

function Row({ session, onShow }: { session: Session; onShow: () => void }) {
  const { status, video_id: video } = session.recording
  return (
    <tr>
      <th scope="row"><time dateTime={session.started_at}>{at(session.started_at)}</time></th>
      <td>{lasted(session)}</td>
      <td>{compact(session.peak_viewers)}</td>
      <td>{session.ended_reason ? (goLive.timeline.reasons[session.ended_reason] ?? session.ended_reason) : '–'}</td>
      <td>{status === 'ready' && video ? <a class="link" href={to.watch({ id: video })}>{text.recordings.ready}</a> : text.recordings[status]}</td>
      <td><button class="button small" type="button" aria-label={text.detailsOf(at(session.started_at))} onClick={onShow}>{text.details}</button></td>
    </tr>
  )
}

function Details({ session }: { session: Session }) {
  const path = { session_id: session.id }
  const events = useQuery({
    queryKey: ['streams', 'session', session.id, 'events'],
    queryFn: () => all((cursor) => ask(api.GET('/v1/stream-sessions/{session_id}/events', { params: { path, query: { limit: 100, cursor } } }))),
  })
  if (events.isPending) return <p class="bone" role="status" aria-label={common.loading}>&nbsp;</p>
  if (!events.data) return <Failure error={events.error} retry={events.refetch} />
  return (
    <>
      <Measured events={events.data} />
      <Happened events={events.data} since={session.started_at} />
    </>
  )
}

async function all(page: (cursor?: string) => Promise<{ data: readonly SessionEvent[]; next_cursor?: string | null }>): Promise<readonly SessionEvent[]> {
  const found: SessionEvent[] = []
  let cursor: string | undefined
  do {
    const { data, next_cursor: next } = await page(cursor)
    found.push(...data)
    cursor = next ?? undefined
  } while (cursor)
  return found
}
