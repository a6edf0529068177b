/** What was said, in order and bounded. */

export type Standing = 'owner' | 'editor' | 'moderator' | 'viewer'

export interface Line {
  id: string
  author: string
  name: string
  standing: Standing
  text: string
  at: number
}

export const LINES_MOST = 300
const SETTLED_MS = 15_000 // what was said just now a list may not have yet

const STANDINGS: ReadonlySet<string> = new Set(['owner', 'editor', 'moderator', 'viewer'])

export function known(standing: string | undefined): Standing {
  return standing && STANDINGS.has(standing) ? (standing as Standing) : 'viewer'
}

/**
 * With what is new among `more`, each once, in the order in which it was said; the last of it only. Where `more` is a
 * whole stretch up to `asOf`, what it leaves out of that was removed meanwhile.
 */
export function merged(lines: readonly Line[], more: readonly Line[], asOf?: number): readonly Line[] {
  const first = more[0]
  const told = new Set(more.map((each) => each.id))
  const left =
    asOf === undefined || !first ? lines : lines.filter((each) => told.has(each.id) || each.at < first.at || each.at > asOf - SETTLED_MS)
  const kept = new Set(left.map((each) => each.id))
  const all = [...left, ...more.filter((each) => !kept.has(each.id))]
  const sorted = all.every((each, place) => place === 0 || before(all[place - 1], each) <= 0) ? all : all.sort(before)
  return sorted.slice(-LINES_MOST)
}

function before(a: Line | undefined, b: Line | undefined): number {
  if (!a || !b) return 0
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
