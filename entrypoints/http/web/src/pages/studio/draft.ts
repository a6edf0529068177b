/** What is typed over what is stored. Saved only over the version that was seen, unless nobody else touched the same. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { Problem } from '../../api/client'

interface Versioned {
  version: number
}

interface Saving<S, F> {
  fields: (stored: S) => F
  save: (changes: Partial<F>, version: number) => Promise<S>
  fresh: () => Promise<S>
}

const REBASES_MOST = 3
const equal = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

export function useDraft<S extends Versioned, F extends object>(stored: S, { fields, save, fresh }: Saving<S, F>) {
  const [base, setBase] = useState(stored)
  const [typed, setTyped] = useState(() => fields(stored))
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [theirs, setTheirs] = useState<S | null>(null)
  const changes = differing(typed, fields(base))
  const dirty = Object.keys(changes).length > 0
  const latest = useRef(typed) // effects and answers come between a key and the render that shows it

  useEffect(() => {
    const untouched = equal(latest.current, fields(base))
    if (untouched && stored.version > base.version) take(stored)
  }, [stored, dirty])

  function write(next: F): void {
    latest.current = next
    setTyped(next)
  }

  function take(now: S, kept: Partial<F> = {}): void {
    setBase(now)
    write({ ...fields(now), ...kept })
    setTheirs(null)
    setError(null)
  }

  async function send(over: S, wanted: Partial<F>, rebases = 0): Promise<boolean> {
    setBusy(true)
    setError(null)
    const sent = latest.current
    try {
      const now = await save(wanted, over.version)
      take(now, differing(latest.current, sent)) // what was typed meanwhile stays
      return true
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 412) setError(problem)
      else return await rebase(over, wanted, rebases)
      return false
    } finally {
      setBusy(false)
    }
  }

  /** The version also changes by itself, as processing goes on: only the same fields are a clash. */
  async function rebase(over: S, wanted: Partial<F>, rebases: number): Promise<boolean> {
    const now = await fresh().catch((problem: unknown) => void setError(problem))
    if (!now) return false
    const moved = differing(fields(now), fields(over))
    if (rebases < REBASES_MOST && !Object.keys(wanted).some((key) => key in moved)) {
      take(now, { ...wanted, ...differing(latest.current, fields(over)) })
      return send(now, wanted, rebases + 1)
    }
    setTheirs(now)
    return false
  }

  return {
    typed, changes, dirty, busy, error, theirs,
    wrong: error instanceof Problem ? error.fields : {},
    set: (wanted: Partial<F>) => write({ ...latest.current, ...wanted }),
    submit: () => send(base, changes),
    /** Save mine over theirs, or give mine up for theirs. */
    insist: () => (theirs ? send(theirs, changes) : Promise.resolve(false)),
    yieldTo: () => theirs && take(theirs),
    reset: () => take(base),
  }
}

function differing<F extends object>(one: F, other: F): Partial<F> {
  return Object.fromEntries(Object.entries(one).filter(([key, value]) => !equal(value, other[key as keyof F]))) as Partial<F>
}
