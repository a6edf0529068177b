/** Notifications: where they lead, and what was read of them. */
import { type InfiniteData, useQuery } from '@tanstack/preact-query'
import { type Notice, type Schemas, api, ask, missing } from './client'
import { queries } from './queries'

const INBOX = '/notifications'
const GONE_MS = 60_000 // what is not shown now may be shown again

type Leading = Pick<Notice, 'type' | 'subject'>

function knownOf({ type, subject: { type: kind, id } }: Leading): string | undefined {
  if (type === 'video_failed') return `/studio/videos/${id}` // where it says why, and what to do
  return { video: `/watch/${id}`, stream: `/live/${id}` }[kind]
}

/** The page that a notification is about. A channel has to be asked for its handle, and a comment for its video; null where
 * that is gone. Throws Problem. */
export async function whereTo(notice: Leading): Promise<string | null> {
  const { type, id } = notice.subject
  const known = knownOf(notice)
  if (known) return known
  try {
    if (type === 'comment') {
      const comment = await queries.fetchQuery({
        queryKey: ['comment', id],
        queryFn: () => ask(api.GET('/v1/comments/{comment_id}', { params: { path: { comment_id: id } } })),
      })
      return `/watch/${comment.video_id}?comment=${id}`
    }
    if (type !== 'channel') return INBOX
    const channel = await queries.fetchQuery({
      queryKey: ['channels', id],
      queryFn: () => ask(api.GET('/v1/channels/{channel_id}', { params: { path: { channel_id: id } } })),
    })
    return `/@${channel.handle}`
  } catch (error) {
    if (missing(error)) return null
    throw error
  }
}

/** The same for a list: the inbox itself until it is known. */
export function useWhereTo({ type, subject }: Leading): string | null {
  const notice = { type, subject }
  const { data } = useQuery({ queryKey: ['where', type, subject.id], queryFn: () => whereTo(notice), initialData: knownOf(notice), staleTime: ({ state }) => (state.data === null ? GONE_MS : Infinity) })
  return data === undefined ? INBOX : data
}

type Inbox = InfiniteData<Schemas['Listing_NotificationView']>

/** Marks these, or one and all before it: in the lists here and in the count at once. Throws Problem, and then as before. */
export async function markRead(which: { ids: string[] } | { up_to: string }): Promise<void> {
  await queries.cancelQueries({ queryKey: ['notifications'] })
  const before = queries.getQueriesData<Inbox>({ queryKey: ['notifications', 'list'] })
  const read = (id: string) => ('ids' in which ? which.ids.includes(id) : true)
  queries.setQueriesData<Inbox>({ queryKey: ['notifications', 'list'] }, (inbox) =>
    inbox && { ...inbox, pages: inbox.pages.map((page) => ({ ...page, data: page.data.map((each) => (read(each.id) ? { ...each, read: true } : each)) })) },
  )
  try {
    const left = await ask(api.POST('/v1/me/notifications/read', { body: { ids: [], ...which } }))
    queries.setQueryData(['notifications', 'unread'], left)
  } catch (error) {
    for (const [key, inbox] of before) queries.setQueryData(key, inbox)
    throw error
  } finally {
    void queries.invalidateQueries({ queryKey: ['notifications', 'unread-list'] })
  }
}
