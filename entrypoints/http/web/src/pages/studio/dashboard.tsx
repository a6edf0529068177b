/** The studio's first page: how a channel does, what is being made, and what waits for somebody. */
import { Clapperboard, ListVideo, Upload } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useMemo } from 'preact/hooks'
import { may } from '../../api/channels'
import type { Channel, Video } from '../../api/client'
import { useOfChannel } from '../../api/comments'
import { useProcessing } from '../../api/processing'
import { ago, analytics, common, compact, dashboard as text, shell, studio, upload } from '../../text'
import { Avatar } from '../../ui/avatar'
import { to } from '../../ui/link'
import { Failure, State, useTitle } from '../../ui/page'
import { ofChannel } from './analytics'
import { OpenChannel } from './channels'
import { CommentBones, Said } from './comments'
import { useMine } from './mine'
import { Plot } from './plot'
import { Thumb, VisibilityBadge, channelVideos } from './videos'

const DAYS = 28
const LATEST = 6
const WAITING = 3

export default function Dashboard() {
  useTitle(studio.title)
  const { channel, isPending, error, refetch } = useMine()
  return (
    <div class="page">
      {channel ? <Of key={channel.id} channel={channel} /> : isPending ? <Bones /> : error ? <Failure error={error} retry={refetch} /> : <First />}
    </div>
  )
}

function First() {
  return (
    <div class="first">
      <div class="stack">
        <Clapperboard class="first-icon" aria-hidden />
        <h1>{text.welcome}</h1>
        <p class="soft">{text.first}</p>
      </div>
      <div class="panel"><OpenChannel /></div>
    </div>
  )
}

function Of({ channel }: { channel: Channel }) {
  const edits = may(channel, 'edit')
  const videos = useQuery({ queryKey: ['studio', 'latest', channel.id], queryFn: () => channelVideos(channel.id, LATEST)() })
  const held = useOfChannel(channel.id, 'held')
  const watched = useQuery({ queryKey: ['studio', 'analytics', channel.id, DAYS], queryFn: () => ofChannel(channel.id, DAYS), enabled: edits })
  const points = useMemo(() => (watched.data?.data ?? []).map((each) => ({ day: each.day, value: each.views })), [watched.data])
  const waiting = held.data && (held.hasNextPage ? text.waitingMore(held.items.length) : String(held.items.length))
  return (
    <>
      <header class="row dashboard-head">
        <Avatar name={channel.name} url={channel.avatar_url} size="3.5rem" />
        <div class="grow">
          <h1 class="clip person">{channel.name}</h1>
          <a class="small soft" href={to.channel(channel)}>@{channel.handle}</a>
        </div>
        {edits && <a class="button accent" href="/studio/upload"><Upload aria-hidden /><span class="only-wide">{shell.upload}</span><span class="hush">{shell.upload}</span></a>}
      </header>
      <dl class="tiles">
        <Tile name={text.subscribers} value={compact(channel.counts.subscribers)} />
        <Tile name={text.videos} value={compact(channel.counts.videos)} />
        {edits && <Tile name={text.views(DAYS)} value={watched.data && compact(watched.data.totals.views)} />}
        {edits && <Tile name={text.hours(DAYS)} value={watched.data && analytics.hours(watched.data.totals.watch_time_s)} />}
        <Tile name={text.waiting} value={waiting} />
      </dl>
      <div class="beside">
        <section class="stack">
          <div class="row apart"><h2>{text.latest}</h2><a class="small" href="/studio/videos">{text.allVideos}</a></div>
          {videos.data ? <Latest videos={videos.data.data} edits={edits} /> : videos.error ? <Failure error={videos.error} retry={videos.refetch} /> : <RowBones />}
        </section>
        <div class="stack loose">
          {edits && (
            <section class="panel stack">
              {watched.error ? <Failure error={watched.error} retry={watched.refetch} /> : <Plot title={text.plot} label={text.plotOf(DAYS)} points={points} said={common.views} height={180} />}
              <a class="small" href="/studio/analytics">{text.plotAll}</a>
            </section>
          )}
          <section class="stack">
            <div class="row apart"><h2>{text.review}</h2><a class="small" href="/studio/comments">{text.reviewAll}</a></div>
            {held.data ? (
              held.items.length ? held.items.slice(0, WAITING).map((each) => <Said key={each.id} comment={each} />) : <p class="small soft">{text.nothingWaits}</p>
            ) : held.error ? <Failure error={held.error} retry={held.refetch} /> : <CommentBones />}
          </section>
        </div>
      </div>
    </>
  )
}

function Tile({ name, value }: { name: string; value: string | undefined }) {
  return <div class="panel"><dt>{name}</dt><dd>{value ?? <span class="bone">&nbsp;&nbsp;&nbsp;</span>}</dd></div>
}

function Latest({ videos, edits }: { videos: readonly Video[]; edits: boolean }) {
  const shown = useProcessing(videos)
  if (!shown.length) {
    return (
      <State icon={<ListVideo aria-hidden />} title={text.noVideos}>
        <p>{text.noVideosWhy}</p>
        {edits && <a class="button" href="/studio/upload">{shell.upload}</a>}
      </State>
    )
  }
  return (
    <ul class="latest">
      {shown.map((video) => {
        const { state, progress_percent: percent } = video.processing
        return (
          <li key={video.id} class="video-cell">
            <Thumb video={video} />
            <div class="stack tight grow">
              <h3 class="small clip-2"><a href={edits ? `/studio/videos/${video.id}` : to.watch(video)} class="person">{video.title}</a></h3>
              {state === 'ready' ? (
                <p class="tiny soft">{common.views(video.counts.views)} · {ago(video.published_at ?? video.created_at)}</p>
              ) : (
                <p class={state === 'failed' ? 'tiny wrong-text' : 'tiny soft'}>{upload.how(video.processing)}</p>
              )}
              {state === 'transcoding' && <progress class="bar" max={100} value={percent} aria-label={upload.processing} />}
            </div>
            <VisibilityBadge video={video} />
          </li>
        )
      })}
    </ul>
  )
}

function RowBones() {
  return <div class="latest" role="status" aria-label={common.loading}>{Array.from({ length: LATEST }, (_, place) => <div key={place} class="bone latest-bone" aria-hidden />)}</div>
}

function Bones() {
  return (
    <div class="stack loose" role="status" aria-label={common.loading}>
      <div class="bone head-bone" aria-hidden />
      <div class="tiles">{[1, 2, 3, 4, 5].map((each) => <div key={each} class="panel bone tile-bone" aria-hidden />)}</div>
      <div class="bone plot-bone" aria-hidden />
    </div>
  )
}
