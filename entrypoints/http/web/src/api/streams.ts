/** Streams, and how they are asked after again and again while somebody looks at them. */
import { useQuery } from '@tanstack/preact-query'
import { type Schemas, type Stream, api, ask, missing } from './client'
import { queries } from './queries'

export type Session = Schemas['SessionView']
export type SessionEvent = Schemas['SessionEventView']

const key = (id: string) => ['streams', 'one', id] as const

/** A stream. Asked for again after as many milliseconds as ``every`` says of it. */
export function useStream(id: string, every: (stream: Stream | undefined) => number) {
  return useQuery({
    queryKey: key(id),
    queryFn: () => ask(api.GET('/v1/streams/{stream_id}', { params: { path: { stream_id: id } } })),
    refetchInterval: (query) => (missing(query.state.error) ? false : every(query.state.data)),
    staleTime: 0,
  })
}

/** Shows a stream as it was answered, and has lists of it asked for again. */
export function show(stream: Stream): void {
  queries.setQueryData(key(stream.id), stream)
  for (const list of ['live', 'channel']) void queries.invalidateQueries({ queryKey: ['streams', list] })
}

export function look(id: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: key(id) })
}
