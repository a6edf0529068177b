/** What is drawn on a canvas by uPlot, which is loaded when there is something to draw, for who sees it; and as bars, a number
 * a day, which others have in a table. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import { monthDay, short, utcDay as day } from '../../text'
import { colour } from '../../ui/canvas'
import { theme } from '../../ui/theme'
import 'uplot/dist/uPlot.min.css'

interface DrawingProps {
  /** For who does not see it. */
  label: string
  class: string
  height: number
  data: uPlot.AlignedData
  options: (UPlot: typeof uPlot, host: HTMLElement) => Omit<uPlot.Options, 'width' | 'height'>
  /** Changes where the options do. */
  shape?: string
}

/** As wide as there is room, in the colours of now. */
export function Drawing({ label, class: look, height, data, options, shape }: DrawingProps) {
  const box = useRef<HTMLDivElement>(null)
  const drawn = useRef<uPlot | null>(null)
  const fresh = useRef(data)
  fresh.current = data
  const scheme = useScheme()
  useEffect(() => {
    const host = box.current
    if (!host) return
    let gone = false
    const fitting = new ResizeObserver(() => drawn.current?.setSize({ width: host.clientWidth, height }))
    void import('uplot').then(({ default: UPlot }) => {
      if (gone) return
      drawn.current = new UPlot({ ...options(UPlot, host), width: host.clientWidth, height }, fresh.current, host)
      fitting.observe(host)
    })
    return () => {
      gone = true
      fitting.disconnect()
      drawn.current?.destroy()
      drawn.current = null
    }
  }, [shape, height, scheme])
  useEffect(() => {
    drawn.current?.setData(data)
  }, [data])
  return (
    <div ref={(each) => {
      box.current = each
      each?.style.setProperty('--height', `${height}px`)
    }} class={look} role="img" aria-label={label} />
  )
}

/** What all axes have. */
export function axisIn(host: HTMLElement): uPlot.Axis {
  return {
    stroke: colour(host, '--ink-soft'),
    font: `12px ${getComputedStyle(host).fontFamily}`,
    grid: { stroke: colour(host, '--line'), width: 1 },
    ticks: { show: false },
  }
}

interface Point {
  day: string
  value: number
}

interface PlotProps {
  title: string
  label: string
  points: readonly Point[]
  said: (value: number) => string
  height?: number
}

const DAY_S = 86_400
const seconds = (text: string) => Date.parse(`${text}T00:00:00Z`) / 1000

export function Plot({ title, label, points, said, height = 240 }: PlotProps) {
  const [at, setAt] = useState<number | null>(null)
  const data = useMemo<uPlot.AlignedData>(() => [points.map((each) => seconds(each.day)), points.map((each) => each.value)], [points])
  const under = at === null ? undefined : points[at]
  return (
    <figure class="plot">
      <figcaption class="row apart wrap">
        <h2>{title}</h2>
        <span class="small soft figures" aria-hidden>{under ? `${day(under.day)}: ${said(under.value)}` : ''}</span>
      </figcaption>
      <Drawing class="plot-box" label={label} height={height} data={data} options={(UPlot, host) => bars(UPlot, host, setAt)} />
    </figure>
  )
}

function bars(UPlot: typeof uPlot, host: HTMLElement, hover: (place: number | null) => void): Omit<uPlot.Options, 'width' | 'height'> {
  const axis = axisIn(host)
  return {
    tzDate: (stamp) => UPlot.tzDate(new Date(stamp * 1000), 'Etc/UTC'), // the API's days are of UTC
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    padding: [12, 8, 0, 0],
    scales: { x: { range: (_, low, high) => [low - DAY_S / 2, high + DAY_S / 2] }, y: { range: (_, __, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 30, space: 56, incrs: [1, 2, 4, 7, 14, 28, 61, 91, 122, 183].map((days) => days * DAY_S), values: (_, stamps) => stamps.map(monthDay) },
      { ...axis, size: 52, incrs: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 1e6, 1e7], values: (_, values) => values.map(short) },
    ],
    series: [{}, { fill: colour(host, '--accent'), width: 0, points: { show: false }, ...(UPlot.paths.bars && { paths: UPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }) }) }],
    hooks: { setCursor: [(plot) => hover(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? (plot.cursor.idx ?? null) : null)] },
  }
}

/** Changes when the colours do. */
function useScheme(): string {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const [system, setSystem] = useState(dark.matches)
  useEffect(() => {
    const changed = () => setSystem(dark.matches)
    dark.addEventListener('change', changed)
    return () => dark.removeEventListener('change', changed)
  }, [])
  return `${theme.value} ${system}`
}
