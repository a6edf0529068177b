/** What is known of a video: its title, whose it is, and what it is about. */
import { CalendarClock, EyeOff, Link2, Lock, Pencil, ShieldAlert } from 'lucide-preact'
import { useState } from 'preact/hooks'
import { useChannel } from '../../api/channels'
import type { Video } from '../../api/client'
import type { Chapter } from '../../player/player'
import { ago, at, common, duration, watch as text } from '../../text'
import { Avatar } from '../../ui/avatar'
import { to } from '../../ui/link'
import { sentence } from '../../ui/page'
import { Rich } from '../../ui/rich'
import { Subscribe } from '../../ui/subscribe'
import { Reactions } from './reactions'
import { Share } from './share'

interface AboutProps {
  video: Video
  chapters: readonly Chapter[]
  time: () => number
  jump: (seconds: number) => void
}

export function About({ video, chapters, time, jump }: AboutProps) {
  const { data: channel } = useChannel(video.channel.id)
  const edits = channel?.viewer?.role === 'owner' || channel?.viewer?.role === 'editor'
  return (
    <>
      <Standing video={video} />
      <h1 class="person">{video.title}</h1>
      <div class="row wrap bar-of-video">
        <div class="row channel">
          <a href={to.channel(video.channel)} tabIndex={-1} aria-hidden><Avatar name={video.channel.name} url={video.channel.avatar_url} size="2.75rem" /></a>
          <div class="grow">
            <a class="strong clip person" href={to.channel(video.channel)}>{video.channel.name}</a>
            <p class="small soft">{channel ? common.subscribers(channel.counts.subscribers) : <>&nbsp;</>}</p>
          </div>
          <Subscribe channel={video.channel} />
        </div>
        <div class="row wrap does">
          <Reactions video={video} />
          <Share video={video} time={time} />
          {edits && <a class="button" href={`/studio/videos/${video.id}`}><Pencil aria-hidden />{text.edit}</a>}
        </div>
      </div>
      <Facts video={video} jump={jump} />
      {chapters.length > 0 && (
        <section class="stack">
          <h2>{text.chapters}</h2>
          <ol class="list-of-chapters">
            {chapters.map((each) => (
              <li key={each.start_s}>
                <button type="button" onClick={() => jump(each.start_s)}><span class="jump">{duration(each.start_s)}</span><span class="person clip">{each.title}</span></button>
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  )
}

/** Why not everyone sees it. */
function Standing({ video }: { video: Video }) {
  const { visibility, blocked, publish_at: when } = video
  return (
    <>
      {blocked !== null && (
        <div class="notice wrong">
          <ShieldAlert aria-hidden />
          <p>{text.blocked} {blocked && <span class="person">{text.blockedWhy(sentence(blocked))}</span>}</p>
        </div>
      )}
      {visibility === 'private' && <p class="row small soft"><span class="badge"><Lock aria-hidden />{common.visibility.private}</span>{text.private}</p>}
      {visibility === 'unlisted' && <p class="row small soft"><span class="badge"><Link2 aria-hidden />{common.visibility.unlisted}</span>{text.unlisted}</p>}
      {visibility === 'scheduled' && <p class="row small soft"><span class="badge">{when ? <CalendarClock aria-hidden /> : <EyeOff aria-hidden />}{common.visibility.scheduled}</span>{when && text.scheduled(at(when))}</p>}
    </>
  )
}

const SHORT = 240

function Facts({ video, jump }: { video: Video; jump: (seconds: number) => void }) {
  const [whole, setWhole] = useState(false)
  const { description, tags } = video
  const when = video.published_at ?? video.created_at
  const long = description.length > SHORT || description.split('\n').length > 3
  return (
    <section class="panel facts" aria-label={text.description}>
      <p class="strong small">{common.views(video.counts.views)} · <time dateTime={when} title={at(when)}>{ago(when)}</time></p>
      {description ? <p class={whole || !long ? 'prose' : 'prose short'}><Rich text={description} onTime={jump} /></p> : <p class="soft">{text.noDescription}</p>}
      {tags.length > 0 && (whole || !long) && (
        <ul class="row wrap" aria-label={text.tags}>
          {tags.map((tag) => <li key={tag}><a class="badge person" href={to.search(tag)}>#{tag}</a></li>)}
        </ul>
      )}
      {long && <button type="button" class="link" aria-expanded={whole} onClick={() => setWhole(!whole)}>{whole ? text.less : text.whole}</button>}
    </section>
  )
}
