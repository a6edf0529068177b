/** A channel's streams. */
import { Plus, Radio } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import { may } from '../../../api/channels'
import { type Channel, type Stream, api, ask } from '../../../api/client'
import { useListing } from '../../../api/queries'
import { ago, at, common, goLive } from '../../../text'
import { More } from '../../../ui/cards'
import { Dialog } from '../../../ui/overlay'
import { Failure, State, useTitle } from '../../../ui/page'
import { toOpen, useMine } from '../mine'
import { StreamForm } from './form'

export function Streams() {
  useTitle(goLive.title)
  const mine = useMine()
  const editing = mine.channel && may(mine.channel, 'edit') ? mine.channel : null
  const [making, setMaking] = useState(false)
  const { route } = useLocation()
  return (
    <div class="page">
      <header class="row apart wrap">
        <div>
          <h1>{goLive.title}</h1>
          <p class="soft">{goLive.lead}</p>
        </div>
        {editing && <button class="button accent" type="button" onClick={() => setMaking(true)}><Plus aria-hidden />{goLive.create}</button>}
      </header>
      {mine.isPending ? (
        <Bones />
      ) : mine.isError && !mine.data ? (
        <Failure error={mine.error} retry={mine.refetch} />
      ) : mine.channel ? (
        <OfChannel channel={mine.channel} make={editing ? () => setMaking(true) : null} />
      ) : (
        <State icon={<Radio aria-hidden />} title={goLive.noChannelTitle}>
          <p>{goLive.noChannel}</p>
          <a class="button accent" href={toOpen()}>{goLive.openChannel}</a>
        </State>
      )}
      {editing && (
        <Dialog open={making} title={goLive.createTitle} onClose={() => setMaking(false)}>
          <StreamForm channel={editing} onDone={(stream) => route(`/studio/live/${stream.id}`)} />
        </Dialog>
      )}
    </div>
  )
}

function OfChannel({ channel, make }: { channel: Channel; make: (() => void) | null }) {
  const streams = useListing(['streams', 'channel', channel.id], (cursor) =>
    ask(api.GET('/v1/channels/{channel_id}/streams', { params: { path: { channel_id: channel.id }, query: { limit: 50, cursor } } })),
  )
  if (streams.isPending) return <Bones />
  if (streams.isError && !streams.items.length) return <Failure error={streams.error} retry={streams.refetch} />
  if (!streams.items.length) {
    return (
      <State icon={<Radio aria-hidden />} title={goLive.emptyTitle}>
        <p>{goLive.empty}</p>
        {make && <button class="button accent" type="button" onClick={make}><Plus aria-hidden />{goLive.create}</button>}
      </State>
    )
  }
  return (
    <>
      <ul class="streams">{streams.items.map((each) => <Row key={each.id} stream={each} />)}</ul>
      <More has={streams.hasNextPage} busy={streams.isFetchingNextPage} next={streams.fetchNextPage} />
    </>
  )
}

function Row({ stream }: { stream: Stream }) {
  return (
    <li class="stream">
      <span class="icon" aria-hidden><Radio /></span>
      <div class="grow">
        <h2 class="clip"><a href={`/studio/live/${stream.id}`} class="person">{stream.title}</a></h2>
        <p class="small soft">
          {stream.starts_at ? goLive.announced(at(stream.starts_at)) : goLive.made(ago(stream.created_at))} · {stream.record ? goLive.recorded : goLive.notRecorded} · {goLive.latencies[stream.latency]}
        </p>
      </div>
      {stream.visibility !== 'public' && <span class="badge">{common.visibility[stream.visibility]}</span>}
      {stream.status === 'live' ? (
        <span class="tag live">{common.live} · {common.watching(stream.viewer_count)}</span>
      ) : (
        <span class="badge">{goLive.statuses[stream.status]}</span>
      )}
    </li>
  )
}

function Bones() {
  return (
    <ul class="streams" role="status" aria-label={common.loading}>
      {[1, 2, 3].map((each) => (
        <li key={each} class="stream" aria-hidden><span class="icon bone" /><div class="grow"><span class="bone">&nbsp;</span></div></li>
      ))}
    </ul>
  )
}
