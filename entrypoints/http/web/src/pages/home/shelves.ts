import { useEffect, useRef } from 'preact/hooks'
import type { Stream, Video } from '../../api/client'

/** What was begun and is worth going on with. */
export function begun(history: readonly Video[]): readonly Video[] {
  return history.filter(({ viewer, duration_s }) => {
    const seen = viewer?.position_s && duration_s ? viewer.position_s / duration_s : 0
    return seen > 0.02 && seen < 0.95
  })
}

/** What is live, as it changes; but the row comes and goes only while nobody looks, as it would move the page. */
export function useSteady(streams: readonly Stream[] | undefined): readonly Stream[] {
  const shown = useRef<readonly Stream[]>()
  const hidden = useRef(document.hidden)
  useEffect(() => {
    const change = () => { hidden.current = document.hidden }
    document.addEventListener('visibilitychange', change)
    return () => document.removeEventListener('visibilitychange', change)
  }, [])
  const same = shown.current && streams && (shown.current.length > 0) === (streams.length > 0)
  if (streams && (!shown.current || same || hidden.current)) shown.current = streams
  return shown.current ?? []
}
