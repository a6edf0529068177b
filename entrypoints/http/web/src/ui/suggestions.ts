/** What to suggest for the beginning of a search. */
import { keepPreviousData, useQuery } from '@tanstack/preact-query'
import { useEffect, useState } from 'preact/hooks'
import { api, ask } from '../api/client'
import { to } from './link'
import { searches } from './searches'

export interface Suggestion {
  key: string
  kind: 'before' | 'video' | 'channel'
  words: string
  beside?: string
  picture?: string | null
  /** Where it leads, if not to the search for its words. */
  href?: string
}

const PAUSE_MS = 150
const BEFORE = 4

export function useSuggestions(words: string, open: boolean): readonly Suggestion[] {
  const [asked, setAsked] = useState(words)
  useEffect(() => {
    const timer = setTimeout(() => setAsked(words), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [words])
  const { data } = useQuery({
    queryKey: ['search', 'suggestions', asked],
    queryFn: ({ signal }) => ask(api.GET('/v1/search', { params: { query: { q: asked, limit: 8 } }, signal })),
    enabled: open && asked.length > 0,
    placeholderData: keepPreviousData,
    retry: false,
  })
  const low = words.toLowerCase()
  const before = searches.value.filter((each) => each.toLowerCase().startsWith(low) && each !== words)
  const suggestions: Suggestion[] = before.slice(0, words ? BEFORE : undefined).map((each) => ({ key: `before ${each}`, kind: 'before', words: each }))
  if (!words) return suggestions
  for (const each of data?.data ?? []) {
    if (each.type === 'video') {
      const { video } = each
      suggestions.push({ key: video.id, kind: 'video', words: video.title, beside: video.channel.name, href: to.watch(video) })
    } else {
      const { channel } = each
      suggestions.push({ key: channel.id, kind: 'channel', words: channel.name, beside: `@${channel.handle}`, picture: channel.avatar_url, href: to.channel(channel) })
    }
  }
  return suggestions
}
