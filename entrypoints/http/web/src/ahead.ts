/** Asks for leave to play as a card is pressed, before the page that plays is there. Its code was asked for as one came near. */
import { prepare } from './api/sittings'
import { prefetchVideo } from './api/videos'

const PAGE = /^\/watch\/([^/]+)$/

function pressed(event: PointerEvent | KeyboardEvent): void {
  if ('key' in event ? event.key !== 'Enter' : event.button !== 0) return
  if (event.ctrlKey || event.metaKey || event.shiftKey) return // a page of its own asks for itself
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href^="/watch/"]') : null
  const id = link && PAGE.exec(link.pathname)?.[1]
  if (!id) return
  prefetchVideo(id)
  prepare(id)
}

export function lookAhead(): void {
  document.addEventListener('pointerdown', pressed, { passive: true })
  document.addEventListener('keydown', pressed)
}
