/** A plot of one number a day, as bars. uPlot draws it on a canvas; who cannot see it has the same numbers in a table. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import { utcDay as day } from '../../text'
import { colour } from '../../ui/canvas'
import { theme } from '../../ui/theme'
import 'uplot/dist/uPlot.min.css'

export interface Point {
  day: string
  value: number
}

interface PlotProps {
  title: string
  label: string
  points: readonly Point[]
  said: (value: number) => string
  height?: number
  heading?: 'h2' | 'h3'
}

const DAY_S = 86_400
const seconds = (text: string) => Date.parse(`${text}T00:00:00Z`) / 1000

export function Plot({ title, label, points, said, height = 240, heading: Heading = 'h2' }: PlotProps) {
  const box = useRef<HTMLDivElement>(null)
  const [at, setAt] = useState<number | null>(null)
  const scheme = useScheme()
  useEffect(() => {
    const into = box.current
    if (!into) return
    let plot: uPlot | null = null
    let gone = false
    const watcher = new ResizeObserver(() => plot?.setSize({ width: into.clientWidth, height }))
    void import('uplot').then(({ default: UPlot }) => {
      if (gone) return
      plot = new UPlot(options(UPlot, into, height, said, setAt), [points.map((each) => seconds(each.day)), points.map((each) => each.value)], into)
      watcher.observe(into)
    })
    return () => {
      gone = true
      watcher.disconnect()
      plot?.destroy()
    }
  }, [points, height, scheme])
  const under = at === null ? undefined : points[at]
  return (
    <figure class="plot">
      <figcaption class="row apart wrap">
        <Heading>{title}</Heading>
        <span class="small soft figures" aria-hidden>{under ? `${day(under.day)}: ${said(under.value)}` : ''}</span>
      </figcaption>
      <div ref={(each) => {
        box.current = each
        each?.style.setProperty('--height', `${height}px`)
      }} class="plot-box" role="img" aria-label={label} />
    </figure>
  )
}

function options(UPlot: typeof uPlot, into: HTMLElement, height: number, said: (value: number) => string, hover: (place: number | null) => void): uPlot.Options {
  const [ink, line, accent] = ['--ink-soft', '--line', '--accent'].map((name) => colour(into, name)) as [string, string, string]
  const font = `12px ${getComputedStyle(into).fontFamily}`
  const axis = { stroke: ink, font, ticks: { show: false } }
  return {
    width: into.clientWidth,
    height,
    tzDate: (stamp) => UPlot.tzDate(new Date(stamp * 1000), 'Etc/UTC'), // the API's days are of UTC
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    padding: [12, 8, 0, 0],
    scales: { x: { range: (_, low, high) => [low - DAY_S / 2, high + DAY_S / 2] }, y: { range: (_, __, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 30, space: 56, incrs: [1, 2, 4, 7, 14, 28, 61, 91, 122, 183].map((days) => days * DAY_S), values: (_, stamps) => stamps.map((each) => monthDay(each)) },
      { ...axis, grid: { stroke: line, width: 1 }, size: 52, incrs: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 1e6, 1e7], values: (_, values) => values.map((each) => axisNumber(each)) },
    ],
    series: [{}, { fill: accent, width: 0, points: { show: false }, ...(UPlot.paths.bars && { paths: UPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }) }), value: (_, value) => said(value) }],
    hooks: { setCursor: [(plot) => hover(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? (plot.cursor.idx ?? null) : null)] },
  }
}

const axisFormat = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 2 })
const axisNumber = (value: number): string => axisFormat.format(value)

const dayFormat = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', timeZone: 'UTC' })
const monthDay = (stamp: number): string => dayFormat.format(new Date(stamp * 1000))

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
