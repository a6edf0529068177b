/** Videos and livestreams in a grid, and the end of a list that fetches its next page as it comes into sight. */
import { Film, LoaderCircle, Radio } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Stream, Video } from '../api/client'
import { ago, common, compact, duration } from '../text'
import { Avatar } from './avatar'
import { to } from './link'

export function VideoCard({ video, eager = false, aside }: { video: Video; eager?: boolean; aside?: ComponentChildren }) {
  const seen = video.viewer?.position_s && video.duration_s ? video.viewer.position_s / video.duration_s : 0
  return (
    <article class="card">
      <div class="frame">
        {video.poster_url ? (
          <img src={video.poster_url} alt="" loading={eager ? 'eager' : 'lazy'} fetchpriority={eager ? 'high' : 'auto'} decoding="async" />
        ) : (
          <span class="blank"><Film aria-hidden /></span>
        )}
        {video.duration_s ? <span class="tag">{duration(video.duration_s)}</span> : null}
        {seen > 0 && <progress class="seen" value={seen} aria-hidden />}
      </div>
      <div class="about">
        <Avatar name={video.channel.name} url={video.channel.avatar_url} />
        <div>
          <h3 class="clip-2"><a href={to.watch(video)} class="person">{video.title}</a></h3>
          <a href={to.channel(video.channel)} class="meta above clip person">{video.channel.name}</a>
          <p class="meta">
            {common.views(video.counts.views)} · <time dateTime={video.published_at ?? video.created_at}>{ago(video.published_at ?? video.created_at)}</time>
          </p>
        </div>
        {aside && <div class="above">{aside}</div>}
      </div>
    </article>
  )
}

export function StreamCard({ stream }: { stream: Stream }) {
  return (
    <article class="card">
      <div class="frame">
        <span class="blank"><Radio aria-hidden /></span>
        <span class="tag live">{common.live} · {compact(stream.viewer_count)}</span>
      </div>
      <div class="about">
        <Avatar name={stream.channel.name} url={stream.channel.avatar_url} />
        <div>
          <h3 class="clip-2"><a href={to.live(stream)} class="person">{stream.title}</a></h3>
          <a href={to.channel(stream.channel)} class="meta above clip person">{stream.channel.name}</a>
          <p class="meta">{common.watching(stream.viewer_count)}{stream.live_since ? ` · ${ago(stream.live_since)}` : ''}</p>
        </div>
      </div>
    </article>
  )
}

export function Cards({ children }: { children: ComponentChildren }) {
  return <div class="cards">{children}</div>
}

/** As many cards as are coming, in their shapes, so that nothing moves when they are there. */
export function CardBones({ count = 8 }: { count?: number }) {
  return (
    <div class="cards" role="status" aria-label={common.loading}>
      {Array.from({ length: count }, (_, place) => (
        <div class="card" key={place} aria-hidden>
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
