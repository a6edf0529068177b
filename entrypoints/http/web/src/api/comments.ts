/** What is said under a video. Lists that were read are changed in place, so that nothing is read again and nothing jumps. */
import type { InfiniteData } from '@tanstack/preact-query'
import { type Comment, type Schemas, api, ask } from './client'
import { type Listing, queries, useListing } from './queries'
import { counted } from './videos'

export type Ruling = Schemas['Ruling']
/** Those that wait for somebody of the channel, or all. */
export type Which = 'held' | 'all'
type Pages = InfiniteData<Listing<Comment>, string | undefined>

const keys = {
  on: (video: string) => ['comments', 'on', video] as const,
  replies: (comment: string) => ['comments', 'to', comment] as const,
  of: (which: Which, channel: string) => ['comments', which, channel] as const,
}
const path = (id: string) => ({ path: { comment_id: id } })

export function useComments(video: string) {
  return useListing<Comment>(keys.on(video), (cursor) => ask(api.GET('/v1/videos/{video_id}/comments', { params: { path: { video_id: video }, query: { limit: 20, cursor } } })))
}

export function useReplies(comment: string, enabled: boolean) {
  return useListing<Comment>(keys.replies(comment), (cursor) => ask(api.GET('/v1/comments/{comment_id}/replies', { params: { ...path(comment), query: { limit: 20, cursor } } })), enabled)
}

/** The comment that a link leads to, after the one that it replies to. */
export function useLinked(comment: string | undefined) {
  const show = (id: string) => ask(api.GET('/v1/comments/{comment_id}', { params: path(id) }))
  return useListing<Comment>(['comments', 'linked', comment ?? ''], async () => {
    const linked = await show(comment ?? '')
    return { data: linked.parent_id ? [await show(linked.parent_id), linked] : [linked] }
  }, Boolean(comment)).items
}

/** What is said under all videos of a channel. */
export function useOfChannel(channel: string, which: Which) {
  return useListing<Comment>(keys.of(which, channel), (cursor) => ask(api.GET('/v1/channels/{channel_id}/comments', { params: { path: { channel_id: channel }, query: { limit: 30, cursor, ...(which === 'held' && { status: which }) } } })))
}

/** Throws Problem. `repeat` is the same for the same words, so that sending them again after a lost answer says them once. */
export async function say(video: string, text: string, repeat: string): Promise<void> {
  const said = await ask(api.POST('/v1/videos/{video_id}/comments', { params: { path: { video_id: video }, header: { 'Idempotency-Key': repeat } }, body: { text } }))
  edit(keys.on(video), (page, first) => (first ? { ...page, data: after(page.data, said) } : page))
  if (said.status === 'visible') counted(video, 1)
}

/** After the pinned one. */
function after(list: readonly Comment[], said: Comment): Comment[] {
  const rest = list.filter((each) => each.id !== said.id)
  return [...rest.filter((each) => each.pinned), said, ...rest.filter((each) => !each.pinned)]
}

export async function reply(to: Comment, text: string, repeat: string): Promise<void> {
  const said = await ask(api.POST('/v1/comments/{comment_id}/replies', { params: { ...path(to.id), header: { 'Idempotency-Key': repeat } }, body: { text } }))
  const parent = said.parent_id ?? to.id
  edit(keys.replies(parent), (page, _first, last) => (last ? { ...page, data: [...page.data.filter((each) => each.id !== said.id), said] } : page))
  if (said.status !== 'visible') return
  change(parent, (each) => ({ ...each, counts: { ...each.counts, replies: each.counts.replies + 1 } }))
  counted(said.video_id, 1)
}

export async function reword(comment: Comment, text: string): Promise<void> {
  put(await ask(api.PATCH('/v1/comments/{comment_id}', { params: { ...path(comment.id), header: { 'If-Match': `"${comment.version}"` } }, body: { text } })))
}

/** A video has one pinned comment: another is no longer. */
export async function pin(comment: Comment, pinned: boolean): Promise<void> {
  put(await ask(api.PATCH('/v1/comments/{comment_id}', { params: path(comment.id), body: { pinned } })))
  await queries.invalidateQueries({ queryKey: keys.on(comment.video_id) })
}

export async function withdraw(comment: Comment): Promise<void> {
  await ask(api.DELETE('/v1/comments/{comment_id}', { params: path(comment.id) }))
  settled(comment)
  gone(comment)
}

export async function rule(comment: Comment, action: Ruling): Promise<void> {
  const ruled = await ask(api.POST('/v1/comments/{comment_id}/moderation', { params: path(comment.id), body: { action } }))
  settled(comment)
  put(ruled)
  if (ruled.status === 'held') void queries.invalidateQueries({ queryKey: ['comments', 'held'] })
  if (ruled.status === 'visible') await queries.invalidateQueries({ queryKey: ruled.parent_id ? keys.replies(ruled.parent_id) : keys.on(ruled.video_id) })
  counted(ruled.video_id, Number(ruled.status === 'visible') - Number(comment.status === 'visible'))
}

/** Likes it, or takes that back. Throws Problem. */
export async function likeComment(comment: Comment, liked: boolean): Promise<void> {
  const was = comment.viewer?.reaction === 'like'
  const as = (on: boolean, from: boolean) => (each: Comment): Comment => ({
    ...each,
    counts: { ...each.counts, likes: each.counts.likes + Number(on) - Number(from) },
    viewer: { ...each.viewer, reaction: on ? 'like' : null },
  })
  change(comment.id, as(liked, was))
  try {
    const params = path(comment.id)
    await ask(liked ? api.PUT('/v1/comments/{comment_id}/reaction', { params, body: { value: 'like' } }) : api.DELETE('/v1/comments/{comment_id}/reaction', { params }))
  } catch (error) {
    change(comment.id, as(was, liked))
    throw error
  }
}

/** It waits no longer, and the studio counts anew. */
function settled(comment: Comment): void {
  edit(['comments', 'held'], (page) => ({ ...page, data: page.data.filter((each) => each.id !== comment.id) }))
  void queries.invalidateQueries({ queryKey: ['studio'] })
}

/** Of one with replies a placeholder keeps its place. */
function gone(comment: Comment): void {
  if (comment.counts.replies > 0) {
    change(comment.id, (each) => ({ ...each, status: 'removed', text: '', pinned: false }))
  } else {
    edit(['comments'], (page) => (page.data.some((each) => each.id === comment.id) ? { ...page, data: page.data.filter((each) => each.id !== comment.id) } : page))
  }
  if (comment.parent_id && comment.status === 'visible') {
    change(comment.parent_id, (each) => ({ ...each, counts: { ...each.counts, replies: Math.max(0, each.counts.replies - 1) } }))
  }
  if (comment.status === 'visible') counted(comment.video_id, -1)
}

function put(comment: Comment): void {
  change(comment.id, (each) => ({ ...comment, counts: each.counts, viewer: comment.viewer ?? each.viewer }))
}

function change(id: string, make: (comment: Comment) => Comment): void {
  edit(['comments'], (page) => (page.data.some((each) => each.id === id) ? { ...page, data: page.data.map((each) => (each.id === id ? make(each) : each)) } : page))
}

/** Changes the pages of all lists whose key begins with this. */
function edit(key: readonly string[], make: (page: Listing<Comment>, first: boolean, last: boolean) => Listing<Comment>): void {
  queries.setQueriesData<Pages>({ queryKey: key }, (list) => list && {
    ...list,
    pages: list.pages.map((page, place) => make(page, place === 0, place === list.pages.length - 1 && !page.next_cursor)),
  })
}
