/** What every page stands in: its title, and its states while it loads, fails or is empty. */
import { CircleAlert, SearchX, WifiOff } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { Problem, missing } from '../api/client'
import { reachable } from '../api/reach'
import { me } from '../api/session'
import { common } from '../text'
import { here } from './link'

export function useTitle(title: string | undefined): void {
  useEffect(() => {
    if (title !== undefined) document.title = title ? `${title} - ${common.product}` : common.product
  }, [title])
}

interface StateProps {
  icon?: ComponentChildren
  title: string
  /** Whether it is all that the page has, and so its heading. */
  page?: boolean
  children?: ComponentChildren
}

/** Where a page or a list has nothing to show: why, and what to do next. */
export function State({ icon, title, page = false, children }: StateProps) {
  return (
    <div class="state">
      {icon}
      {page ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children}
    </div>
  )
}

/** What to tell people of an error. */
export function said(error: unknown): string {
  if (!(error instanceof Problem)) return common.wrong.unknown
  if (error.code === 'offline') return reachable.value ? common.wrong.back : common.wrong.offline
  return error.detail ? sentence(error.detail) : common.wrong.unknown
}

/** The API's details are clauses: "the access token is over; refresh it". */
export function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(whole) ? whole : `${whole}.`
}

/** An error in the place of what should be here. */
export function Failure({ error, retry, page = false }: { error: unknown; retry?: () => unknown; page?: boolean }) {
  const problem = error instanceof Problem ? error : null
  if (missing(error)) {
    return (
      <State page={page} icon={<SearchX aria-hidden />} title={common.wrong.missingTitle}>
        <p>{common.wrong.missing}</p>
        <div class="row">
          {me.value === null && <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`}>{common.signIn}</a>}
          <a class="button" href="/">{common.wrong.home}</a>
        </div>
      </State>
    )
  }
  return (
    <State page={page} icon={problem?.code === 'offline' ? <WifiOff aria-hidden /> : <CircleAlert aria-hidden />} title={common.wrong.title}>
      <p role="alert">{said(error)}</p>
      {problem?.status === 401 ? (
        <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`}>{common.signIn}</a>
      ) : (
        retry && <button class="button" type="button" onClick={() => void retry()}>{common.retry}</button>
      )}
    </State>
  )
}

/** The same inside a form, where what was typed stays. What a field of the form says is not said again: one goes there. */
export function Wrong({ error }: { error: unknown }) {
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    if (!box.current) return
    const marked = [...(box.current.closest('form')?.querySelectorAll<HTMLElement>('.field [aria-invalid]') ?? [])].filter((each) => each.checkVisibility())
    const named = error instanceof Problem ? Object.keys(error.fields).length : 0
    box.current.hidden = marked.length > 0 && marked.length >= named
    marked[0]?.focus()
  }, [error])
  if (!error) return null
  return (
    <div ref={box} class="notice wrong" role="alert">
      <CircleAlert aria-hidden />
      <span>{said(error)}</span>
    </div>
  )
}
