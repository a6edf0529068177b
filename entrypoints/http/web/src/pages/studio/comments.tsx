/** What people say under a channel's videos, and ruling over it. */
import { MessagesSquare, ShieldCheck, Trash2 } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import { may } from '../../api/channels'
import type { Channel, Comment } from '../../api/client'
import { type Which, useOfChannel } from '../../api/comments'
import { detail } from '../../api/videos'
import { ago, comment as said, common, review as text } from '../../text'
import { Avatar } from '../../ui/avatar'
import { More } from '../../ui/cards'
import { to } from '../../ui/link'
import { Failure, State, useTitle } from '../../ui/page'
import { Rich } from '../../ui/rich'
import { Rulings, Withdraw } from '../../ui/ruling'
import { useMine } from './mine'
import { NoChannel } from './none'

const WHICH: readonly Which[] = ['held', 'all']

export default function Comments() {
  useTitle(text.title)
  const { channel, isPending, error, refetch } = useMine()
  return (
    <div class="page middle">
      <h1>{text.title}</h1>
      {channel ? <List key={channel.id} channel={channel} /> : isPending ? <CommentBones /> : error ? <Failure error={error} retry={refetch} /> : <NoChannel />}
    </div>
  )
}

function List({ channel }: { channel: Channel }) {
  const [which, setWhich] = useState<Which>('held')
  const [words, setWords] = useState('')
  const list = useOfChannel(channel.id, which)
  const wanted = words.trim().toLowerCase()
  const shown = list.items.filter((each) => !wanted || `${each.text} ${each.author.display_name} ${each.author.handle}`.toLowerCase().includes(wanted))
  return (
    <>
      <div class="row wrap apart">
        <div class="chips" role="group" aria-label={text.which}>
          {WHICH.map((each) => <button key={each} class="chip" type="button" aria-pressed={which === each} onClick={() => setWhich(each)}>{text[each]}</button>)}
        </div>
        <input class="input compact" type="search" aria-label={text.search} placeholder={text.search} value={words} onInput={(event) => setWords(event.currentTarget.value)} />
      </div>
      {list.isPending ? (
        <CommentBones />
      ) : list.isError && !list.items.length ? (
        <Failure error={list.error} retry={list.refetch} />
      ) : shown.length ? (
        <ul class="stack">{shown.map((each) => <li key={each.id}><Said comment={each} /></li>)}</ul>
      ) : !list.hasNextPage && (
        <State icon={which === 'held' ? <ShieldCheck aria-hidden /> : <MessagesSquare aria-hidden />} title={which === 'held' ? text.none : text.noneAll}>
          <p>{which === 'held' ? text.noneWhy : text.noneAllWhy}</p>
          {may(channel, 'edit') && <a class="button" href={`/studio/channels/${channel.id}`}>{text.policy}</a>}
        </State>
      )}
      <More has={list.hasNextPage} busy={list.isFetchingNextPage} next={list.fetchNextPage} />
    </>
  )
}

/** One comment, and what may be done with it in the state that it is in. */
export function Said({ comment }: { comment: Comment }) {
  const [asking, setAsking] = useState(false)
  const { status } = comment
  return (
    <article class="panel comment">
      <Avatar name={comment.author.display_name} url={comment.author.avatar_url} />
      <div class="stack tight grow">
        <p class="row wrap small">
          <strong class="clip person">{comment.author.display_name}</strong>
          <span class="soft clip">@{comment.author.handle} · <time dateTime={comment.created_at}>{ago(comment.created_at)}</time></span>
          {status !== 'visible' && <span class="badge">{said.status[status]}</span>}
        </p>
        <p class="prose said" dir="auto"><Rich text={comment.text} /></p>
        <p class="tiny soft clip">{text.on} <VideoName id={comment.video_id} />{comment.parent_id !== null && ` · ${text.reply}`} · {text.likes(comment.counts.likes)}{comment.parent_id === null && ` · ${text.replies(comment.counts.replies)}`}</p>
        <div class="row wrap">
          <Rulings comment={comment} look="button small" />
          {status !== 'removed' && <button class="button small bare" type="button" onClick={() => setAsking(true)}><Trash2 aria-hidden />{common.remove}</button>}
        </div>
      </div>
      <Withdraw comment={comment} open={asking} onClose={() => setAsking(false)} />
    </article>
  )
}

/** A comment names its video by its id only. */
function VideoName({ id }: { id: string }) {
  const { data } = useQuery({ ...detail(id), staleTime: 300_000 })
  const { channel } = useMine()
  return <a href={may(channel, 'edit') ? `/studio/videos/${id}` : to.watch({ id })} class="person">{data?.title ?? '…'}</a>
}

export function CommentBones() {
  return (
    <div class="stack" role="status" aria-label={common.loading}>
      {Array.from({ length: 4 }, (_, place) => <div key={place} class="bone comment-bone" aria-hidden />)}
    </div>
  )
}
