/** One comment: what it says, what one can do about it, and the replies to it. */
import { ChevronDown, ChevronUp, Clock, Ellipsis, Pencil, Pin, PinOff, ThumbsUp, Trash2 } from 'lucide-preact'
import { useState } from 'preact/hooks'
import type { Comment } from '../../api/client'
import { likeComment, pin, reply, reword, useReplies } from '../../api/comments'
import { me } from '../../api/session'
import { ago, at, comment as said, common, compact, watch as text } from '../../text'
import { Avatar } from '../../ui/avatar'
import { here } from '../../ui/link'
import { Menu, attempt } from '../../ui/overlay'
import { Rich } from '../../ui/rich'
import { Rulings, Withdraw } from '../../ui/ruling'
import { Write } from './write'

export interface Rights {
  /** Who looks at it. */
  person: string | null
  moderates: boolean
  /** Whether anybody may. */
  writes: boolean
}

interface RemarkProps {
  comment: Comment
  rights: Rights
  jump: (seconds: number) => void
  /** Without replies: where it waits, and not under its video. */
  plain?: boolean
}

export function Remark({ comment, rights, jump, plain = false }: RemarkProps) {
  const [edits, setEdits] = useState(false)
  const [answers, setAnswers] = useState(false)
  const [shown, setShown] = useState(false)
  const { author, status, counts } = comment
  const name = author.display_name || text.unknownAuthor
  const replies = comment.parent_id === null && !plain
  return (
    <article class="remark" id={comment.id}>
      <Avatar name={status === 'removed' ? '–' : name} url={author.avatar_url} />
      <div class="stack">
        {status === 'removed' ? <p class="soft">{text.removed}</p> : (
          <>
            <header>
              {comment.pinned && <p class="row tiny soft"><Pin aria-hidden />{text.pinned}</p>}
              <p class="row by">
                <span class="strong small clip person" title={`@${author.handle}`}>{name}</span>
                <time class="small soft" dateTime={comment.created_at} title={at(comment.created_at)}>{ago(comment.created_at)}{comment.edited_at && ` (${text.edited})`}</time>
                {(status === 'held' || status === 'rejected') && <span class="badge"><Clock aria-hidden />{said.status[status]}</span>}
              </p>
            </header>
            {edits ? (
              <Write label={text.editComment} action={common.save} signIn={text.signInToWrite} words={comment.text} send={(words) => reword(comment, words)} onDone={() => setEdits(false)} />
            ) : (
              <Words text={comment.text} jump={jump} />
            )}
            {status === 'held' && author.id === rights.person && <p class="small soft" role="status">{text.held}</p>}
            <div class="row does">
              {!plain && <Like comment={comment} />}
              {!plain && rights.writes && status === 'visible' && (
                <button type="button" class="button bare small" aria-expanded={answers} aria-label={text.replyTo(name)} onClick={() => setAnswers(!answers)}>{text.reply}</button>
              )}
              {rights.moderates && status !== 'visible' && <Rulings comment={comment} look="button small" />}
              <Choices comment={comment} rights={rights} name={name} edit={() => setEdits(true)} />
            </div>
          </>
        )}
        {answers && (
          <Write label={text.writeReply} action={text.sendReply} signIn={text.signInToReply} words={comment.parent_id ? `@${author.handle} ` : ''}
            send={async (words, repeat) => { await reply(comment, words, repeat); setShown(true) }} onDone={() => setAnswers(false)} />
        )}
        {replies && (counts.replies > 0 || shown) && (
          <>
            <button type="button" class="button bare small threads" aria-expanded={shown} onClick={() => setShown(!shown)}>
              {shown ? <ChevronUp aria-hidden /> : <ChevronDown aria-hidden />}{shown ? text.hideReplies : text.replies(counts.replies)}
            </button>
            {shown && <Replies comment={comment} rights={rights} jump={jump} />}
          </>
        )}
      </div>
    </article>
  )
}

const SHORT = 600

function Words({ text: words, jump }: { text: string; jump: (seconds: number) => void }) {
  const [whole, setWhole] = useState(false)
  const long = words.length > SHORT || words.split('\n').length > 8
  return (
    <>
      <p class={long && !whole ? 'prose short' : 'prose'}><Rich text={words} onTime={jump} /></p>
      {long && <button type="button" class="link" aria-expanded={whole} onClick={() => setWhole(!whole)}>{whole ? text.less : text.whole}</button>}
    </>
  )
}

function Replies({ comment, rights, jump }: { comment: Comment; rights: Rights; jump: (seconds: number) => void }) {
  const list = useReplies(comment.id, true)
  return (
    <>
      {list.isPending ? <p class="bone" role="status" aria-label={common.loading}>&nbsp;</p> : (
        <ol class="remarks">{list.items.map((each) => <li key={each.id}><Remark comment={each} rights={rights} jump={jump} /></li>)}</ol>
      )}
      {list.hasNextPage && <div><button class="button bare small" type="button" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{text.moreReplies}</button></div>}
    </>
  )
}

function Like({ comment }: { comment: Comment }) {
  const [liked, likes] = [comment.viewer?.reaction === 'like', comment.counts.likes]
  const inside = <><ThumbsUp aria-hidden />{likes > 0 && compact(likes)}</>
  if (me.value === null) return <a class="button bare small" href={`/sign-in?next=${encodeURIComponent(here())}`} aria-label={text.likeComment(likes)}>{inside}</a>
  return (
    <button type="button" class={liked ? 'button small' : 'button bare small'} aria-pressed={liked} aria-label={text.likeComment(likes)} onClick={() => void attempt(() => likeComment(comment, !liked))}>{inside}</button>
  )
}

interface ChoicesProps {
  comment: Comment
  rights: Rights
  name: string
  edit: () => void
}

function Choices({ comment, rights, name, edit }: ChoicesProps) {
  const [asks, setAsks] = useState(false)
  const own = comment.author.id === rights.person
  if (!own && !rights.moderates) return null
  const visible = comment.status === 'visible'
  return (
    <>
      <Menu label={text.more(name)} class="button bare small icon" icon={<Ellipsis aria-hidden />}>
        {own && rights.writes && <button type="button" onClick={edit}><Pencil aria-hidden />{text.editComment}</button>}
        {rights.moderates && visible && comment.parent_id === null && (
          <button type="button" onClick={() => void attempt(() => pin(comment, !comment.pinned))}>{comment.pinned ? <PinOff aria-hidden /> : <Pin aria-hidden />}{comment.pinned ? text.unpin : text.pin}</button>
        )}
        {rights.moderates && visible && !own && <Rulings comment={comment} />}
        <button type="button" onClick={() => setAsks(true)}><Trash2 aria-hidden />{common.remove}</button>
      </Menu>
      <Withdraw comment={comment} open={asks} onClose={() => setAsks(false)} />
    </>
  )
}
