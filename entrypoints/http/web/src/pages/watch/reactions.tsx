import { ThumbsDown, ThumbsUp } from 'lucide-preact'
import type { Video } from '../../api/client'
import { me } from '../../api/session'
import { type Reaction, react } from '../../api/videos'
import { compact, watch as text } from '../../text'
import { here } from '../../ui/link'
import { attempt } from '../../ui/overlay'

export function Reactions({ video }: { video: Video }) {
  const mine = video.viewer?.reaction ?? null
  const { likes, dislikes } = video.counts
  const kinds = [
    { kind: 'like', label: text.likes(likes), count: likes, Icon: ThumbsUp },
    { kind: 'dislike', label: text.dislikes(dislikes), count: dislikes, Icon: ThumbsDown },
  ] satisfies { kind: Reaction; label: string; count: number; Icon: typeof ThumbsUp }[]
  return (
    <div class="row reactions">
      {kinds.map(({ kind, label, count, Icon }) => (me.value === null ? (
        <a key={kind} class="button" href={`/sign-in?next=${encodeURIComponent(here())}`} aria-label={label}><Icon aria-hidden />{compact(count)}</a>
      ) : (
        <button key={kind} class="button" type="button" aria-label={label} aria-pressed={mine === kind} onClick={() => void attempt(() => react(video.id, mine === kind ? null : kind))}>
          <Icon aria-hidden />{compact(count)}
        </button>
      )))}
    </div>
  )
}
