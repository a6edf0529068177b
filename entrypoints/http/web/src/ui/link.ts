/** Addresses of the client's own pages. */
import type { Channel, Stream, Video } from '../api/client'

export const to = {
  watch: (video: Pick<Video, 'id'>) => `/watch/${video.id}`,
  live: (stream: Pick<Stream, 'id'>) => `/live/${stream.id}`,
  channel: (channel: Pick<Channel, 'handle'>) => `/@${channel.handle}`,
  search: (words: string) => `/search?q=${encodeURIComponent(words)}`,
}

export function here(): string {
  return location.pathname + location.search
}

/** Where to go after signing in: a page of ours, or home. */
export function next(search: string): string {
  const wanted = new URLSearchParams(search).get('next') ?? '/'
  return wanted.startsWith('/') && URL.canParse(wanted, location.origin) && new URL(wanted, location.origin).origin === location.origin ? wanted : '/'
}
