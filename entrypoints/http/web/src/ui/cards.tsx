/** Videos and livestreams in a grid, and the end of a list that fetches its next page as it comes into sight. */
import { Film, LoaderCircle, Radio } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Stream, Video } from '../api/client'
import { ago, at, common, duration } from '../text'
import { Avatar } from './avatar'
import { to } from './link'

interface VideoProps {
  video: Video
  eager?: boolean
  aside?: ComponentChildren
}

export function VideoCard({ video, eager = false, aside }: VideoProps) {
  return (
    <article class="card">
      <Frame video={video} eager={eager} />
      <div class="about">
        <Avatar name={video.channel.name} url={video.channel.avatar_url} />
        <div>
          <h3><a href={to.watch(video)} class="person clip-2">{video.title}</a></h3>
          <a href={to.channel(video.channel)} class="meta above clip person">{video.channel.name}</a>
          <Meta video={video} />
        </div>
        {aside && <div class="above">{aside}</div>}
      </div>
    </article>
  )
}

/** The same with more words, for lists that are read from top to bottom. On a phone it is as a card. */
export function VideoRow({ video, eager = false, aside }: VideoProps) {
  return (
    <article class="card lying">
      <Frame video={video} eager={eager} />
      <div class="about">
        <div>
          <h3><a href={to.watch(video)} class="person clip-2">{video.title}</a></h3>
          <Meta video={video} />
          <a href={to.channel(video.channel)} class="meta above by">
            <Avatar name={video.channel.name} url={video.channel.avatar_url} size="1.5rem" />
            <span class="person clip">{video.channel.name}</span>
          </a>
          {video.description && <p class="meta clip-2 person only-wide">{video.description.slice(0, EXCERPT)}</p>}
        </div>
        {aside && <div class="above">{aside}</div>}
      </div>
    </article>
  )
}

const EXCERPT = 240

function Frame({ video, eager }: { video: Video; eager: boolean }) {
  const seen = video.viewer?.position_s && video.duration_s ? video.viewer.position_s / video.duration_s : 0
  return (
    <div class="frame">
      {video.poster_url ? (
        <img src={video.poster_url} alt="" loading={eager ? 'eager' : 'lazy'} fetchpriority={eager ? 'high' : 'auto'} decoding="async" />
      ) : (
        <span class="blank"><Film aria-hidden /></span>
      )}
      {video.duration_s ? <span class="tag">{duration(video.duration_s)}</span> : null}
      {seen > 0 && <progress class="seen" value={seen} aria-hidden />}
    </div>
  )
}

function Meta({ video }: { video: Video }) {
  const when = video.published_at ?? video.created_at
  return <p class="meta">{common.views(video.counts.views)} · <time dateTime={when} title={at(when)}>{ago(when)}</time></p>
}

/** Livestreams have no picture: their channel's stands in for it. */
export function StreamCard({ stream }: { stream: Stream }) {
  const live = stream.status === 'live'
  return (
    <article class="card">
      <div class="frame glow">
        <span class="blank"><Avatar name={stream.channel.name} url={stream.channel.avatar_url} size="4.5rem" /></span>
        {live ? <span class="tag live"><Radio aria-hidden />{common.live}</span> : stream.starts_at && <span class="tag">{at(stream.starts_at)}</span>}
      </div>
      <div class="about">
        <Avatar name={stream.channel.name} url={stream.channel.avatar_url} />
        <div>
          <h3><a href={to.live(stream)} class="person clip-2">{stream.title}</a></h3>
          <a href={to.channel(stream.channel)} class="meta above clip person">{stream.channel.name}</a>
          <p class="meta">
            {live ? common.watching(stream.viewer_count) : stream.starts_at && common.begins(ago(stream.starts_at))}
            {live && stream.live_since && ` · ${common.started(ago(stream.live_since))}`}
          </p>
        </div>
      </div>
    </article>
  )
}

export function Cards({ children }: { children: ComponentChildren }) {
  return <div class="cards">{children}</div>
}

const AT_FIRST = 8

/** A long list's beginning, and the rest of it once that is seen. */
export function useGradual<T>(items: readonly T[]): readonly T[] {
  const [all, setAll] = useState(false)
  useEffect(() => {
    if (!items.length) return
    const timer = setTimeout(() => setAll(true), 200)
    return () => clearTimeout(timer)
  }, [items.length > 0])
  return all ? items : items.slice(0, AT_FIRST)
}

/** One row, which goes on sideways. */
export function Shelf({ children }: { children: ComponentChildren }) {
  return <div class="cards shelf">{children}</div>
}

export function Rows({ children }: { children: ComponentChildren }) {
  return <div class="rows">{children}</div>
}

/** As many cards as are coming, in their shapes, so that nothing moves when they are there. */
export function CardBones({ count = 8, look = 'cards' }: { count?: number; look?: 'cards' | 'rows' }) {
  return (
    <div class={look} role="status" aria-label={common.loading}>
      {Array.from({ length: count }, (_, place) => (
        <div class={look === 'rows' ? 'card lying' : 'card'} key={place} aria-hidden>
          <div class="frame bone" />
          <div class="about">
            <span class="avatar bone" />
            <div><span class="bone">&nbsp;</span><span class="bone meta">&nbsp;</span><span class="bone meta">&nbsp;</span></div>
          </div>
        </div>
      ))}
    </div>
  )
}

interface MoreProps {
  has: boolean
  busy: boolean
  next: () => unknown
}

/** The end of a list. A button too, for who does not scroll. */
export function More({ has, busy, next }: MoreProps) {
  const end = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    const button = end.current
    if (!has || busy || !button) return
    const watcher = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && next(), { rootMargin: '600px' })
    watcher.observe(button)
    return () => watcher.disconnect()
  }, [has, busy, next])
  if (!has) return null
  return (
    <div class="row">
      <button ref={end} class="button" type="button" disabled={busy} onClick={() => next()}>
        {busy && <LoaderCircle class="spin" aria-hidden />}
        {common.more}
      </button>
    </div>
  )
}
