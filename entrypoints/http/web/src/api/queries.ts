/** What pages ask for, kept and shared between them by TanStack Query. Lists are read page by page by their cursors. */
import { QueryClient, useInfiniteQuery } from '@tanstack/preact-query'
import { Problem } from './client'
import { whenBack } from './reach'

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 20_000,
      networkMode: 'always', // a server on this machine is there without a network, too
      retry: (count, error) => error instanceof Problem && (error.status === 0 || error.status >= 500) && count < 2,
    },
  },
})

/** Asks again for what could not be had. */
whenBack(() => void queries.refetchQueries({ predicate: (query) => query.state.status === 'error' }))

export interface Listing<T> {
  data: readonly T[]
  next_cursor?: string | null
}

/** Reading a list again is reading all its pages again, so it is done seldom. */
const LIST_MS = 120_000

/** A list by cursor. `fetch` is given the cursor of the page, or undefined for the first; `every` after how many
 * milliseconds it is to be asked for again, given what there is. */
export function useListing<T>(
  key: readonly unknown[],
  fetch: (cursor?: string) => Promise<Listing<T>>,
  enabled = true,
  every?: (items: readonly T[]) => number | false,
) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => fetch(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    enabled,
    staleTime: LIST_MS,
    refetchOnWindowFocus: false,
    refetchInterval: every && ((asked) => every(asked.state.data?.pages.flatMap((page) => page.data) ?? [])),
  })
  const items = query.data?.pages.flatMap((page) => page.data) ?? []
  return { ...query, items }
}
