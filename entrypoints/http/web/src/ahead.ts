/** Asks for leave to play as a card is pressed, or as the client begins with such a page: before the page is there. Its code
 * was asked for as one came near. */
import { prepare } from './api/sittings'
import { prefetchVideo } from './api/videos'

const PAGE = /^\/watch\/([^/]+)$/

function pressed(event: PointerEvent | KeyboardEvent): void {
  if ('key' in event ? event.key !== 'Enter' : event.button !== 0) return
  if (event.ctrlKey || event.metaKey || event.shiftKey) return // a page of its own asks for itself
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href^="/watch/"]') : null
  if (link) ask(link.pathname)
}

function ask(path: string): void {
  const id = PAGE.exec(path)?.[1]
  if (!id) return
  prefetchVideo(id)
  prepare(id)
}

export function lookAhead(): void {
  ask(location.pathname)
  document.addEventListener('pointerdown', pressed, { passive: true })
  document.addEventListener('keydown', pressed)
}
