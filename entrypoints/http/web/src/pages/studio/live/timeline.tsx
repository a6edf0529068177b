/** What happened in a broadcast, in words, the newest first. */
import type { SessionEvent } from '../../../api/streams'
import { at, goLive } from '../../../text'
import { sentence } from '../../../ui/page'

const text = goLive.timeline
const WRONG = new Set(['stream_failure', 'stream_takeover_failure', 'starvation_start', 'limit_breach', 'recording_start_failure', 'recording_end_failure', 'refused'])
const RIGHT = new Set(['stream_start', 'starvation_end', 'recording_end'])

export function Timeline({ events, since }: { events: readonly SessionEvent[]; since: string | null }) {
  return (
    <section class="panel stack">
      <h2>{text.title}</h2>
      <Happened events={events} since={since} />
    </section>
  )
}

export function Happened({ events, since }: { events: readonly SessionEvent[]; since: string | null }) {
  const told = events.filter((each) => each.type !== 'health').toReversed()
  if (!told.length) return <p class="soft small">{text.none}</p>
  return (
    <ol class="timeline">
      {told.map((each) => (
        <li key={each.id} class={WRONG.has(each.type) ? 'wrong' : RIGHT.has(each.type) ? 'right' : undefined}>
          <time class="tiny soft" dateTime={each.at} title={at(each.at)}>{since && text.since((Date.parse(each.at) - Date.parse(since)) / 1000)}</time>
          <span>
            {text.words[each.type] ?? each.type}
            <span class="soft">{reason(each)}</span>
          </span>
        </li>
      ))}
    </ol>
  )
}

function reason({ detail }: SessionEvent): string {
  const why = detail.reason ?? detail.breach
  return typeof why === 'string' && why ? `: ${sentence(text.reasons[why] ?? why.replaceAll('_', ' '))}` : ''
}
