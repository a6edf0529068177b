/** The channels that somebody works on, and the one that the studio shows now. */
import { signal } from '@preact/signals'
import { useQuery } from '@tanstack/preact-query'
import { api, ask, type Channel } from '../../api/client'
import { queries } from '../../api/queries'
import { KEPT, keep, kept } from '../../kept'
import { here } from '../../ui/link'

const chosen = signal(kept(KEPT.channel))

export function choose(id: string): void {
  chosen.value = id
  keep(KEPT.channel, id)
}

export const mineKey = ['studio', 'mine'] as const

export function useMine() {
  const mine = useQuery({ queryKey: mineKey, queryFn: () => ask(api.GET('/v1/me/channels')) })
  const channels: readonly Channel[] = mine.data?.data ?? []
  const channel = channels.find((each) => each.id === chosen.value) ?? channels[0]
  return { ...mine, channels, channel }
}

/** Where a channel is opened; it leads back here. */
export function toOpen(): string {
  return `/studio/channels?next=${encodeURIComponent(here())}`
}

/** After a change anything that is shown may look different, but for what is gone and not to be asked for. */
export function refresh(gone?: string): void {
  void queries.invalidateQueries({ predicate: ({ queryKey }) => gone === undefined || !queryKey.includes(gone) })
}
