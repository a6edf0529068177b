/** Text that people wrote: always text, never markup. Addresses in it become links, times in it jumps. */
import { find } from 'linkifyjs'
import type { ComponentChildren } from 'preact'

const TIME = /(?<![\d:])(\d{1,2}:)?\d{1,2}:\d{2}(?![\d:])/g

export function Rich({ text, onTime }: { text: string; onTime?: (seconds: number) => void }) {
  const parts: ComponentChildren[] = []
  let end = 0
  for (const link of find(text, 'url')) {
    if (!/^https?:\/\//i.test(link.href)) continue
    parts.push(...timed(text.slice(end, link.start), onTime))
    parts.push(<a href={link.href} rel="noopener noreferrer nofollow ugc" target="_blank">{link.value}</a>)
    end = link.end
  }
  parts.push(...timed(text.slice(end), onTime))
  return <>{parts}</>
}

function timed(text: string, onTime?: (seconds: number) => void): ComponentChildren[] {
  if (!onTime) return [text]
  const parts: ComponentChildren[] = []
  let end = 0
  for (const found of text.matchAll(TIME)) {
    const seconds = found[0].split(':').reduce((sum, each) => sum * 60 + Number(each), 0)
    parts.push(text.slice(end, found.index), <button type="button" class="jump" onClick={() => onTime(seconds)}>{found[0]}</button>)
    end = found.index + found[0].length
  }
  return [...parts, text.slice(end)]
}
