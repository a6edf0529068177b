/** Asks before what was typed and not saved is left behind: by a link, by going back, or by closing the tab. */
import { useLocation } from 'preact-iso'
import { useEffect, useRef, useState } from 'preact/hooks'
import { common } from '../text'
import { Confirm } from './overlay'

export function Guard({ dirty }: { dirty: boolean }) {
  const { route } = useLocation()
  const [wanted, setWanted] = useState<string | null>(null)
  const open = useRef(false)
  open.current = dirty
  useEffect(() => {
    if (!dirty) return
    const own = location.pathname + location.search
    function leaving(event: BeforeUnloadEvent): void {
      event.preventDefault()
    }
    function clicked(event: MouseEvent): void {
      const link = (event.target as Element).closest<HTMLAnchorElement>('a[href]')
      if (!open.current || !link || link.origin !== location.origin || link.target || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return
      if (link.getAttribute('href')?.startsWith('#') || link.pathname + link.search === own) return
      event.preventDefault()
      event.stopPropagation()
      setWanted(link.pathname + link.search)
    }
    // Before the router hears of it. The address has changed by then, so it is put back.
    function gone(event: PopStateEvent): void {
      if (!open.current) return
      event.stopImmediatePropagation()
      const target = location.pathname + location.search
      history.pushState(null, '', own)
      setWanted(target)
    }
    addEventListener('beforeunload', leaving)
    document.addEventListener('click', clicked, true)
    addEventListener('popstate', gone, true)
    return () => {
      removeEventListener('beforeunload', leaving)
      document.removeEventListener('click', clicked, true)
      removeEventListener('popstate', gone, true)
    }
  }, [dirty])
  return (
    <Confirm open={wanted !== null} title={common.leave.title} action={common.leave.leave} cancel={common.leave.stay} onClose={() => setWanted(null)}
      onConfirm={() => {
        open.current = false
        if (wanted !== null) route(wanted)
      }}>
      <p>{common.leave.why}</p>
    </Confirm>
  )
}
