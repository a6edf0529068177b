/** Lines over time, drawn by uPlot, which is loaded when there is something to draw. For who does not see them: a label. */
import { useEffect, useRef } from 'preact/hooks'
import type uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clock } from '../../../text'
import { colour } from '../../../ui/canvas'
import { theme } from '../../../ui/theme'

export interface Line {
  label: string
  values: readonly (number | null)[]
  /** A token's name, such as `--accent`. */
  color: string
  fill?: boolean
  /** Against an axis of its own, on the other side. */
  other?: boolean
  /** As the axis and the legend write a value. */
  write?: (value: number) => string
}

interface PlotProps {
  label: string
  /** Seconds since 1970. */
  times: readonly number[]
  lines: readonly Line[]
  height?: number
}

type Drawing = InstanceType<typeof uPlot>

export function Plot({ label, times, lines, height = 160 }: PlotProps) {
  const box = useRef<HTMLDivElement>(null)
  const drawing = useRef<Drawing | null>(null)
  const data = [times, ...lines.map((each) => each.values)] as uPlot.AlignedData
  const fresh = useRef(data)
  fresh.current = data
  const shape = lines.map((each) => each.label).join('\n')

  useEffect(() => {
    let stopped = false
    let made: Drawing | null = null
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const fitting = new ResizeObserver(([entry]) => entry && made?.setSize({ width: entry.contentRect.width, height }))
    async function draw(): Promise<void> {
      const { default: Drawn } = await import('uplot')
      const host = box.current
      if (stopped || !host) return
      made?.destroy()
      drawing.current = made = new Drawn(options(host, lines, height), fresh.current, host)
    }
    const again = () => void draw()
    again()
    if (box.current) fitting.observe(box.current)
    dark.addEventListener('change', again)
    return () => {
      stopped = true
      dark.removeEventListener('change', again)
      fitting.disconnect()
      made?.destroy()
      drawing.current = null
    }
  }, [shape, height, theme.value])

  useEffect(() => {
    drawing.current?.setData(data)
  }, [times, ...lines.map((each) => each.values)])

  return <div class="plot" ref={box} role="img" aria-label={label} />
}

function options(host: HTMLElement, lines: readonly Line[], height: number): uPlot.Options {
  const color = (token: string) => colour(host, token)
  const [ink, grid] = [color('--ink-soft'), color('--line')]
  const font = `12px ${getComputedStyle(host).fontFamily}`
  const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } }
  const [first, other] = [lines.find((each) => !each.other), lines.find((each) => each.other)]
  const written = (line: Line | undefined) => (_: unknown, values: readonly number[]) => values.map((each) => line?.write?.(each) ?? String(each))
  return {
    width: host.clientWidth,
    height,
    cursor: { drag: { x: false, y: false }, y: false },
    legend: { live: true },
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.15, 1e-6)] }, other: { range: (_, __, most) => [0, Math.max(most * 1.3, 4)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 80, values: (_, each) => each.map(clock) },
      { ...axis, values: written(first), size: 44, space: 36 },
      ...(other ? [{ ...axis, scale: 'other', side: 1 as const, grid: { show: false }, values: written(other), size: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }] : []),
    ],
    series: [
      { label: '', value: (_, each) => (each === null ? '' : clock(each)) },
      ...lines.map((each) => ({
        label: each.label,
        scale: each.other ? 'other' : 'y',
        stroke: color(each.color),
        width: 2,
        points: { show: false },
        value: ({ data }: uPlot, pointed: number | null, series: number, at: number | null) => {
          const value = at === null ? data[series]?.at(-1) : pointed // the newest, where nothing is pointed at
          return value == null ? '–' : (each.write?.(value) ?? String(value))
        },
        ...(each.fill && { fill: faint(color(each.color)) }),
      })),
    ],
  }
}

function faint(color: string): string {
  return color.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.16)')
}
