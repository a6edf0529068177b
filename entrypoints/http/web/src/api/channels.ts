/** Channels, and following them: what is shown of it changes at once, and back again where the API refuses. */
import { useQuery } from '@tanstack/preact-query'
import { type Channel, type Schemas, type Stream, api, ask } from './client'
import { FIRST } from './early'
import { queries } from './queries'
import { me } from './session'

export type Notify = Schemas['Notify']

const key = (id: string) => ['channels', id] as const

/** A channel by its id: with its counts, and what it is to whoever asks. */
export function useChannel(id: string | undefined) {
  return useQuery({
    queryKey: key(id ?? ''),
    queryFn: () => ask(api.GET('/v1/channels/{channel_id}', { params: { path: { channel_id: id ?? '' } } })),
    enabled: Boolean(id),
  })
}

const TASKS = { owner: ['manage', 'edit', 'moderate'], editor: ['edit', 'moderate'], moderator: ['moderate'] } as const

/** Whether one may do so with a channel, as its member or for the whole platform. */
export function may(channel: Channel | undefined, task: 'manage' | 'edit' | 'moderate'): boolean {
  const [role, roles] = [channel?.viewer?.role, me.value?.roles]
  return Boolean(roles?.includes('admin')) || Boolean(role && (TASKS[role] as readonly string[]).includes(task))
}

/** The same by its handle, without the @. */
export function useChannelNamed(handle: string) {
  const found = useQuery({
    queryKey: ['channels', 'named', handle],
    queryFn: async () => {
      const channel = await ask(api.GET('/v1/channels/by-handle/{handle}', { params: { path: { handle } } }))
      queries.setQueryData(key(channel.id), channel)
      return channel.id
    },
    enabled: Boolean(handle),
  })
  const channel = useChannel(found.data)
  return found.isError ? { ...found, data: undefined } : channel
}

/** The channels that one follows, the last ones first. */
export function useFollowed(enabled: boolean) {
  return useQuery({
    queryKey: ['subscriptions', 'rail'],
    queryFn: () => ask(api.GET('/v1/me/subscriptions', { params: { query: { limit: 50 } } })),
    enabled,
  })
}

const LIVE_MS = 30_000

/** What is live, asked for again and again while it is looked at. */
export function useLive() {
  return useQuery({
    queryKey: ['streams', 'live'],
    queryFn: () => ask(api.GET('/v1/streams', { params: { query: FIRST.live } })),
    refetchInterval: LIVE_MS,
  })
}

export function liveChannels(streams: readonly Stream[] | undefined): ReadonlySet<string> {
  return new Set(streams?.map((each) => each.channel.id))
}

/** Follows a channel and says what to be told of it, or (null) follows it no longer. Throws Problem. */
export async function follow(id: string, notify: Notify | null): Promise<void> {
  await queries.cancelQueries({ queryKey: key(id) })
  const before = queries.getQueryData<Channel>(key(id))
  if (before) queries.setQueryData(key(id), followed(before, notify))
  try {
    const params = { path: { channel_id: id } }
    await ask(notify ? api.PUT('/v1/me/subscriptions/{channel_id}', { params, body: { notify } }) : api.DELETE('/v1/me/subscriptions/{channel_id}', { params }))
  } catch (error) {
    queries.setQueryData(key(id), before)
    throw error
  }
  // The list on the page stays as it is, so that one can think again.
  void queries.invalidateQueries({ queryKey: ['subscriptions', 'list'], refetchType: 'none' })
  for (const queryKey of [['subscriptions', 'rail'], ['feed']]) void queries.invalidateQueries({ queryKey })
}

function followed(channel: Channel, notify: Notify | null): Channel {
  const change = Number(notify !== null) - Number(channel.viewer?.subscribed ?? false)
  return {
    ...channel,
    counts: { ...channel.counts, subscribers: channel.counts.subscribers + change },
    viewer: { role: null, ...channel.viewer, subscribed: notify !== null, notify },
  }
}
