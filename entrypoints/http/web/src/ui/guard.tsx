/** Asks before what was typed and not saved is left behind: by a link, by going back, or by closing the tab. */
import { useLocation } from 'preact-iso'
import { useEffect, useRef, useState } from 'preact/hooks'
import { common } from '../text'
import { leaving } from './leaving'
import { Confirm } from './overlay'

export function Guard({ dirty }: { dirty: boolean }) {
  const { route } = useLocation()
  const [wanted, setWanted] = useState<string | null>(null)
  const open = useRef(false)
  open.current = dirty
  useEffect(() => {
    if (!dirty) return
    const own = location.pathname + location.search
    function closing(event: BeforeUnloadEvent): void {
      event.preventDefault()
    }
    function clicked(event: MouseEvent): void {
      const link = (event.target as Element).closest<HTMLAnchorElement>('a[href]')
      if (!open.current || !link || link.origin !== location.origin || link.target || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return
      if (link.getAttribute('href')?.startsWith('#') || link.pathname + link.search === own) return
      event.preventDefault()
      event.stopImmediatePropagation() // of several forms on a page one asks
      setWanted(link.pathname + link.search)
    }
    leaving.set(setWanted, own)
    addEventListener('beforeunload', closing)
    document.addEventListener('click', clicked, true)
    return () => {
      removeEventListener('beforeunload', closing)
      document.removeEventListener('click', clicked, true)
      leaving.delete(setWanted)
    }
  }, [dirty])
  return (
    <Confirm open={wanted !== null} title={common.leave.title} action={common.leave.leave} cancel={common.leave.stay} onClose={() => setWanted(null)}
      onConfirm={() => {
        open.current = false
        leaving.clear()
        if (wanted !== null) route(wanted)
      }}>
      <p>{common.leave.why}</p>
    </Confirm>
  )
}
