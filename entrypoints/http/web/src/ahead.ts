/** Makes ready what a card leads to before the page is asked for: its code as one comes near, its link to play as one presses. */
import { prepare } from './api/sittings'
import { prefetchVideo } from './api/videos'

const PAGE = /^\/watch\/([^/]+)$/

function leadsTo(event: Event): string | undefined {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href^="/watch/"]') : null
  return link ? PAGE.exec(link.pathname)?.[1] : undefined
}

function near(event: Event): void {
  if (leadsTo(event)) void import('./pages/watch')
}

function pressed(event: PointerEvent | KeyboardEvent): void {
  if ('key' in event ? event.key !== 'Enter' : event.button !== 0) return
  if (event.ctrlKey || event.metaKey || event.shiftKey) return // a page of its own asks for itself
  const id = leadsTo(event)
  if (!id) return
  near(event)
  prefetchVideo(id)
  prepare(id)
}

export function lookAhead(): void {
  document.addEventListener('pointerover', near, { passive: true })
  document.addEventListener('focusin', near)
  document.addEventListener('pointerdown', pressed, { passive: true })
  document.addEventListener('keydown', pressed)
}
