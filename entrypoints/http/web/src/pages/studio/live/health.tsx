/** How well a broadcast arrives: in figures, a sentence and a plot. */
import { Activity, CircleCheck, TriangleAlert } from 'lucide-preact'
import { useMemo } from 'preact/hooks'
import type { SessionEvent } from '../../../api/streams'
import { goLive } from '../../../text'
import type { Followed } from './follow'
import { Lines } from './plot'

const text = goLive.health
const LATELY_MS = 30 * 60_000

export function Health({ followed: { session, events } }: { followed: Followed }) {
  const health = session?.health
  const well = health?.ailment === null
  const Icon = !health ? Activity : well ? CircleCheck : TriangleAlert
  const unknown = <span class="soft">{text.unknown}</span>
  return (
    <section class="panel stack health">
      <h2>{text.title}</h2>
      <p class={`row advice ${!health ? '' : well ? 'right' : 'wrong'}`} role="status"><Icon aria-hidden /><span>{health?.advice ?? text.none}</span></p>
      {health && (
        <dl class="figures">
          <div><dt>{text.bitrate}</dt><dd>{health.bitrate_bps === null ? unknown : text.mbit(health.bitrate_bps)}</dd></div>
          <div><dt>{text.picture}</dt><dd>{health.width && health.height ? `${health.width} × ${health.height}` : unknown}</dd></div>
          <div><dt>{text.rate}</dt><dd>{health.fps === null ? unknown : Math.round(health.fps * 10) / 10}</dd></div>
          <div><dt>{text.keys}</dt><dd>{health.keyframe_interval_s === null ? unknown : text.every(health.keyframe_interval_s)}</dd></div>
        </dl>
      )}
      <Measured events={events} lately />
    </section>
  )
}

/** What was measured, over time; of a long broadcast that goes on, the last of it. */
export function Measured({ events, lately = false }: { events: readonly SessionEvent[]; lately?: boolean }) {
  const [times, bitrates, viewers] = useMemo(() => {
    const all = events.filter((each) => each.type === 'health')
    const last = Date.parse(all.at(-1)?.at ?? '')
    const found = lately ? all.filter((each) => Date.parse(each.at) > last - LATELY_MS) : all
    const number = (name: string) => found.map(({ detail }) => (typeof detail[name] === 'number' ? detail[name] : null))
    return [found.map((each) => Date.parse(each.at) / 1000), number('bitrate_bps').map((each) => (each === null ? null : each / 1e6)), number('viewers')] as const
  }, [events, lately])
  if (times.length < 2) return lately ? <p class="plot none soft small">{text.soon}</p> : null
  return (
    <Lines label={text.plot} times={times} lines={[
      { label: text.mbits, values: bitrates, color: '--accent-ink', fill: true, write: (value) => value.toFixed(1) },
      { label: text.viewers, values: viewers, color: '--focus', other: true },
    ]} />
  )
}
