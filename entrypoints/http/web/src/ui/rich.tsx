/** Text that people wrote: always text, never markup. Addresses and #tags in it become links, times in it jumps. */
import { find } from 'linkifyjs'
import type { ComponentChildren } from 'preact'
import { to } from './link'

const MARKS = /(?<![\d:])(?:\d{1,2}:)?\d{1,2}:\d{2}(?![\d:])|(?<![\p{L}\p{N}_&#/])#(?=[\p{N}_]*\p{L})[\p{L}\p{N}_]{1,50}/gu

export function Rich({ text, onTime }: { text: string; onTime?: (seconds: number) => void }) {
  const parts: ComponentChildren[] = []
  let end = 0
  for (const link of find(text, 'url')) {
    if (!/^https?:\/\//i.test(link.href)) continue
    parts.push(...marked(text.slice(end, link.start), onTime))
    parts.push(<a href={link.href} rel="noopener noreferrer nofollow ugc" target="_blank">{link.value}</a>)
    end = link.end
  }
  parts.push(...marked(text.slice(end), onTime))
  return <>{parts}</>
}

function marked(text: string, onTime?: (seconds: number) => void): ComponentChildren[] {
  const parts: ComponentChildren[] = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(MARKS)) {
    parts.push(text.slice(end, index), found.startsWith('#') ? <a href={to.search(found.slice(1))}>{found}</a> : onTime ? <Jump time={found} onTime={onTime} /> : found)
    end = index + found.length
  }
  return [...parts, text.slice(end)]
}

function Jump({ time, onTime }: { time: string; onTime: (seconds: number) => void }) {
  const seconds = time.split(':').reduce((sum, each) => sum * 60 + Number(each), 0)
  return <button type="button" class="jump" onClick={() => onTime(seconds)}>{time}</button>
}
