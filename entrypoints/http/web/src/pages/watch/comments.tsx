/** What is said under a video, and what waits for those who moderate it. */
import { MessagesSquare } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useEffect } from 'preact/hooks'
import { useComments, useLinked, useOfChannel, say } from '../../api/comments'
import { useChannel } from '../../api/channels'
import type { Video } from '../../api/client'
import { me } from '../../api/session'
import { common, watch as text } from '../../text'
import { Failure } from '../../ui/page'
import { Remark, type Rights } from './remark'
import { Write } from './write'

export function Comments({ video, jump }: { video: Video; jump: (seconds: number) => void }) {
  const { data: channel } = useChannel(video.channel.id)
  const list = useComments(video.id)
  const linked = useLinked(useLocation().query.comment).filter((each) => each.video_id === video.id)
  const rest = list.items.filter((each) => each.id !== linked[0]?.id)
  const [open, role] = [channel?.comments_enabled ?? true, channel?.viewer?.role ?? null]
  const rights: Rights = {
    person: me.value?.id ?? null,
    moderates: role !== null || (me.value?.roles.some((each) => each === 'moderator' || each === 'admin') ?? false),
    writes: open,
  }
  return (
    <div class="stack loose">
      <h2>{video.counts.comments > 0 ? text.commentCount(video.counts.comments) : text.comments}</h2>
      {open ? <Write label={text.write} action={text.send} signIn={text.signInToWrite} send={(words, repeat) => say(video.id, words, repeat)} /> : <p class="notice">{text.commentsOff}</p>}
      {linked.length > 0 && (
        <section class="panel stack" aria-label={text.linked} ref={come}>
          <h3>{text.linked}</h3>
          <ol class="remarks">{linked.map((each) => <li key={each.id}><Remark comment={each} rights={rights} jump={jump} /></li>)}</ol>
        </section>
      )}
      {rights.moderates && <Held video={video} rights={rights} jump={jump} />}
      {list.isPending ? <RemarkBones /> : list.isError && !list.items.length ? <Failure error={list.error} retry={list.refetch} /> : list.items.length ? (
        <ol class="remarks">{rest.map((each) => <li key={each.id}><Remark comment={each} rights={rights} jump={jump} /></li>)}</ol>
      ) : (
        open && <p class="row soft"><MessagesSquare aria-hidden />{text.noComments}</p>
      )}
      {list.hasNextPage && <div><button class="button" type="button" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{text.moreComments}</button></div>}
    </div>
  )
}

/** To what one came for, once it is there. */
function come(section: HTMLElement | null): void {
  section?.scrollIntoView({ block: 'center' })
}

/** Of the channel, among which those of a video are found. */
const HELD_MOST = 300

function Held({ video, rights, jump }: { video: Video; rights: Rights; jump: (seconds: number) => void }) {
  const list = useOfChannel(video.channel.id, 'held')
  const held = list.items.filter((each) => each.video_id === video.id)
  useEffect(() => {
    if (list.hasNextPage && list.items.length < HELD_MOST) void list.fetchNextPage()
  }, [list.hasNextPage, list.items.length])
  if (!held.length) return null
  return (
    <section class="panel stack" aria-label={text.heldTitle(held.length)}>
      <h3>{text.heldTitle(held.length)}</h3>
      <ol class="remarks">{held.map((each) => <li key={each.id}><Remark comment={each} rights={rights} jump={jump} plain /></li>)}</ol>
    </section>
  )
}

export function RemarkBones() {
  return (
    <div class="remarks" role="status" aria-label={common.loading}>
      {Array.from({ length: 3 }, (_, place) => (
        <div class="remark" key={place} aria-hidden>
          <span class="avatar bone" />
          <div class="stack"><span class="bone">&nbsp;</span><span class="bone">&nbsp;</span></div>
        </div>
      ))}
    </div>
  )
}
