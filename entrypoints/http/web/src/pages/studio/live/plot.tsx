/** Lines over time. */
import { useMemo } from 'preact/hooks'
import type uPlot from 'uplot'
import { clock } from '../../../text'
import { colour } from '../../../ui/canvas'
import { Drawing, axisIn } from '../plot'

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
}

export function Lines({ label, times, lines }: PlotProps) {
  const values = lines.map((each) => each.values)
  const data = useMemo(() => [times, ...values] as uPlot.AlignedData, [times, ...values])
  return <Drawing class="plot" label={label} height={160} data={data} options={(_, host) => options(host, lines)} shape={lines.map((each) => each.label).join('\n')} />
}

function options(host: HTMLElement, lines: readonly Line[]): Omit<uPlot.Options, 'width' | 'height'> {
  const axis = axisIn(host)
  const [first, other] = [lines.find((each) => !each.other), lines.find((each) => each.other)]
  const written = (line: Line | undefined) => (_: unknown, values: readonly number[]) => values.map((each) => line?.write?.(each) ?? String(each))
  return {
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
        stroke: colour(host, each.color),
        width: 2,
        points: { show: false },
        value: ({ data }: uPlot, pointed: number | null, series: number, at: number | null) => {
          const value = at === null ? data[series]?.at(-1) : pointed // the newest, where nothing is pointed at
          return value == null ? '–' : (each.write?.(value) ?? String(value))
        },
        ...(each.fill && { fill: faint(colour(host, each.color)) }),
      })),
    ],
  }
}

function faint(color: string): string {
  return color.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.16)')
}
