import { useEffect } from 'preact/hooks'
import type { Notice } from '../api/client'
import { hear } from '../api/events'
import { whereTo } from '../api/notices'
import { toast } from '../ui/overlay'

/** Says what one is told as it comes, in the tab that one looks at. */
export function News() {
  useEffect(
    () =>
      hear(({ type, data }) => {
        if (type !== 'notification' || document.hidden || location.pathname === '/notifications') return
        const notice = data as Notice
        void whereTo(notice).catch(() => null).then((href) => toast(notice.text, notice.type === 'video_failed', href ?? '/notifications'))
      }),
    [],
  )
  return null
}
