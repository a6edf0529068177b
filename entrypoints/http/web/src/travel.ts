/** Going from page to page: the code of a page comes as one points at its link, and going back leads to where one was. */
import { unique } from './api/apart'
import { KEPT, keep, kept } from './kept'
import { fetchPage } from './pages'

const MOST = 50
const SETTLE_MS = 3_000

interface Place {
  y: number
  link: string | null
}

const places = new Map<string, Place>(JSON.parse(kept(KEPT.places, 'sessionStorage') ?? '[]') as [string, Place][])
let current = enter()
let returning: Place | null = places.get(current) ?? null
let stop: () => void = () => undefined

/** The name of the history's entry that this is, which it is given when it is new. */
function enter(): string {
  const state = history.state as { place?: string } | null
  if (state?.place) return state.place
  const place = unique()
  history.replaceState({ ...state, place }, '')
  return place
}

function note(change: Partial<Place>): void {
  places.set(current, { y: 0, link: null, ...places.get(current), ...change })
}

/** The address has changed, and what stands there may not be here yet. */
export function moved(): void {
  const place = enter()
  if (place === current) return
  current = place
  returning = places.get(place) ?? null
}

/** A page has taken the place of another: to its beginning, or the field that one came for, or to where one was when one left it. */
export function arrived(): void {
  const place = returning
  returning = null
  stop()
  if (!place) {
    const main = document.getElementById('main')
    const field = [...(main?.querySelectorAll<HTMLElement>('[autofocus]') ?? [])].find((each) => each.offsetParent) // that is seen
    ;(field ?? main)?.focus({ preventScroll: true })
    return
  }
  settle(place)
}

/** What is fetched again grows under one: follow it until it is as long as it was, or one moves oneself. */
function settle({ y, link }: Place): void {
  const ends = new AbortController()
  const go = () => {
    scrollTo({ top: y, behavior: 'instant' })
    const target = link ? document.querySelector<HTMLElement>(`#main a[href="${CSS.escape(link)}"]`) : null
    if (Math.abs(scrollY - y) > 2 || (link && !target)) return
    ;(target ?? document.getElementById('main'))?.focus({ preventScroll: true })
    stop()
  }
  const grown = new ResizeObserver(go)
  const timer = setTimeout(() => stop(), SETTLE_MS)
  stop = () => {
    clearTimeout(timer)
    grown.disconnect()
    ends.abort()
    stop = () => undefined
  }
  for (const type of ['wheel', 'touchstart', 'keydown', 'pointerdown']) addEventListener(type, () => stop(), { signal: ends.signal, passive: true })
  grown.observe(document.body)
}

function linkOf(event: Event): HTMLAnchorElement | null {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href]') : null
  return link && link.origin === location.origin && !link.target ? link : null
}

export function travel(): void {
  history.scrollRestoration = 'manual'
  addEventListener('scroll', () => returning ?? note({ y: scrollY }), { passive: true })
  addEventListener('click', (event) => note({ y: scrollY, link: linkOf(event)?.getAttribute('href') ?? null }), { capture: true })
  addEventListener('pagehide', () => keep(KEPT.places, JSON.stringify([...places].slice(-MOST)), 'sessionStorage'))
  for (const type of ['pointerover', 'focusin', 'touchstart']) {
    addEventListener(type, (event) => {
      const link = linkOf(event)
      if (link) fetchPage(link.pathname)
    }, { passive: true })
  }
}
