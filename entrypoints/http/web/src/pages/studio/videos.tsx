/** All that a channel has: how far each video is, who sees it, and how it does. */
import { ChartColumn, EllipsisVertical, Film, Link, ListVideo, Pencil, Play, Trash2, Upload } from 'lucide-preact'
import { useState } from 'preact/hooks'
import { may } from '../../api/channels'
import { api, ask, onlyIf, type Channel, type Video } from '../../api/client'
import { useProcessing } from '../../api/processing'
import { useListing } from '../../api/queries'
import { ago, common, compact, content as text, duration, shell, upload, videoEdit } from '../../text'
import { More } from '../../ui/cards'
import { copy } from '../../ui/copy'
import { to } from '../../ui/link'
import { Confirm, Menu, attempt, toast } from '../../ui/overlay'
import { Failure, State, useTitle } from '../../ui/page'
import { refresh, useMine } from './mine'
import { NoChannel } from './none'

const SOON_MS = 60_000
const FILTERS = ['all', 'public', 'unlisted', 'private', 'scheduled', 'working', 'failed'] as const
type Filter = (typeof FILTERS)[number]

function passes(video: Video, filter: Filter): boolean {
  const { state } = video.processing
  if (filter === 'all') return true
  if (filter === 'failed') return state === 'failed'
  if (filter === 'working') return state !== 'failed' && state !== 'ready'
  return video.visibility === filter
}

export default function Videos() {
  useTitle(text.title)
  const { channel, isPending, error, refetch } = useMine()
  return (
    <div class="page">
      <div class="row wrap apart">
        <h1>{text.title}</h1>
        <a class="button accent" href="/studio/upload"><Upload aria-hidden />{shell.upload}</a>
      </div>
      {channel ? <List key={channel.id} channel={channel} /> : isPending ? <Bones /> : error ? <Failure error={error} retry={refetch} /> : <NoChannel />}
    </div>
  )
}

export const channelVideos = (id: string, limit: number) => (cursor?: string) =>
  ask(api.GET('/v1/channels/{channel_id}/videos', { params: { path: { channel_id: id }, query: { limit, cursor } } }))

function List({ channel }: { channel: Channel }) {
  const [filter, setFilter] = useState<Filter>('all')
  const list = useListing(['studio', 'videos', channel.id], channelVideos(channel.id, 30))
  const videos = useProcessing(list.items)
  const shown = videos.filter((each) => passes(each, filter))
  return (
    <>
      <div class="chips" role="group" aria-label={text.filter}>
        {FILTERS.map((each) => <button key={each} class="chip" type="button" aria-pressed={filter === each} onClick={() => setFilter(each)}>{text.filters[each]}</button>)}
      </div>
      {list.isPending ? (
        <Bones />
      ) : list.isError && !list.items.length ? (
        <Failure error={list.error} retry={list.refetch} />
      ) : shown.length ? (
        <div class="table" role="table" aria-label={text.title}>
          <div class="table-head" role="row">
            <span role="columnheader">{text.columns.video}</span>
            <span role="columnheader">{text.columns.visibility}</span>
            <span role="columnheader">{text.columns.date}</span>
            <span role="columnheader" class="number">{text.columns.views}</span>
            <span role="columnheader" class="number">{text.columns.comments}</span>
            <span role="columnheader" class="number">{text.columns.likes}</span>
            <span role="columnheader"><span class="hush">{text.menu.edit}</span></span>
          </div>
          {shown.map((each) => <Row key={each.id} video={each} editable={may(channel, 'edit')} />)}
        </div>
      ) : !list.hasNextPage && (
        filter === 'all' ? (
          <State icon={<ListVideo aria-hidden />} title={text.none}>
            <p>{text.noneWhy}</p>
            <a class="button accent" href="/studio/upload">{shell.upload}</a>
          </State>
        ) : (
          <State icon={<ListVideo aria-hidden />} title={text.noneMatch}><p>{text.noneMatchWhy}</p></State>
        )
      )}
      <More has={list.hasNextPage} busy={list.isFetchingNextPage} next={list.fetchNextPage} />
    </>
  )
}

function Row({ video, editable }: { video: Video; editable: boolean }) {
  const [asking, setAsking] = useState(false)
  const { state } = video.processing
  const edit = `/studio/videos/${video.id}`
  return (
    <div class="table-row" role="row">
      <div role="cell" class="video-cell">
        <Thumb video={video} />
        <div class="stack tight grow">
          <h2 class="small clip-2"><a href={editable ? edit : to.watch(video)} class="person">{video.title}</a></h2>
          {state !== 'ready' && (
            <p class={state === 'failed' ? 'tiny wrong-text' : 'tiny soft'}>
              {upload.how(video.processing)}
            </p>
          )}
          {state === 'transcoding' && <progress class="bar" max={100} value={video.processing.progress_percent} aria-label={upload.processing} />}
        </div>
      </div>
      <div role="cell"><VisibilityBadge video={video} /></div>
      <div role="cell" class="small soft">
        {video.visibility === 'scheduled' && video.publish_at ? text.scheduled(Date.parse(video.publish_at) < Date.now() + SOON_MS ? text.anyMoment : ago(video.publish_at)) : video.published_at ? text.published(ago(video.published_at)) : text.uploaded(ago(video.created_at))}
      </div>
      <div role="cell" class="number" data-label={text.counted.views(video.counts.views)}>{compact(video.counts.views)}</div>
      <div role="cell" class="number" data-label={text.counted.comments(video.counts.comments)}>{compact(video.counts.comments)}</div>
      <div role="cell" class="number" data-label={text.counted.likes(video.counts.likes)}>{compact(video.counts.likes)}</div>
      <div role="cell" class="last">
        <Menu label={text.of(video.title)} icon={<EllipsisVertical aria-hidden />}>
          {editable && <a href={edit}><Pencil aria-hidden />{text.menu.edit}</a>}
          {editable && <a href={`${edit}/analytics`}><ChartColumn aria-hidden />{text.menu.analytics}</a>}
          <a href={to.watch(video)}><Play aria-hidden />{text.menu.watch}</a>
          <button type="button" onClick={() => void copy(location.origin + to.watch(video))}><Link aria-hidden />{text.menu.copy}</button>
          {editable && <button type="button" onClick={() => setAsking(true)}><Trash2 aria-hidden />{text.menu.remove}</button>}
        </Menu>
        <RemoveVideo video={video} open={asking} onClose={() => setAsking(false)} />
      </div>
    </div>
  )
}

/** Asks, and then removes the version that is shown. */
export function RemoveVideo({ video, open, onClose, onGone }: { video: Video; open: boolean; onClose: () => void; onGone?: () => void }) {
  return (
    <Confirm open={open} title={videoEdit.removeTitle} action={common.remove} cancel={common.cancel} onClose={onClose}
      onConfirm={() => attempt(async () => {
        await ask(api.DELETE('/v1/videos/{video_id}', { params: { path: { video_id: video.id }, header: onlyIf(video.version) } }))
        toast(videoEdit.removed)
        onGone?.()
        refresh(video.id)
      })}>
      <p class="strong clip-2 person">{video.title}</p>
      <p>{videoEdit.removeWhy}</p>
    </Confirm>
  )
}

export function Thumb({ video }: { video: Video }) {
  return (
    <span class="still">
      {video.poster_url ? <img src={video.poster_url} alt="" loading="lazy" decoding="async" /> : <Film aria-hidden />}
      {video.duration_s ? <span class="tag">{duration(video.duration_s)}</span> : null}
    </span>
  )
}

export function VisibilityBadge({ video }: { video: Video }) {
  return <span class="badge">{common.visibility[video.visibility]}</span>
}

function Bones() {
  return (
    <div class="stack" role="status" aria-label={common.loading}>
      {Array.from({ length: 6 }, (_, place) => <div key={place} class="bone row-bone" aria-hidden />)}
    </div>
  )
}
