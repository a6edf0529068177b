/** How the processing of videos goes, as it goes: all that a page shows hears it over one connection. */
import { signal } from '@preact/signals'
import { useQuery } from '@tanstack/preact-query'
import { useEffect } from 'preact/hooks'
import type { Schemas, Video } from './client'
import { session } from './session'
import { detail, look } from './videos'

type Processing = Schemas['ProcessingView']
type Heard = Processing & { video_id: string }

const over = (processing: Processing): boolean => processing.state === 'ready' || processing.state === 'failed'

/** A video of one's own. `live`: followed for as long as it is being processed. */
export function useOwnVideo(id: string, live = false) {
  const query = useQuery(detail(id))
  const [video] = useProcessing(query.data && !query.isError ? [query.data] : [], live)
  return { ...query, data: video }
}

const heard = signal<ReadonlyMap<string, Processing>>(new Map())

/** The same videos, with what is heard of their processing. */
export function useProcessing(videos: readonly Video[], live = true): readonly Video[] {
  const now = videos.map((video) => {
    const newer = heard.value.get(video.id)
    return newer && newer.attempt >= video.processing.attempt && !over(video.processing) ? { ...video, processing: newer } : video
  })
  const ids = live ? now.filter((each) => !over(each.processing)).map((each) => each.id).sort().join() : ''
  useEffect(() => {
    if (!ids) return
    const wanted = ids.split(',')
    wanted.forEach((id) => followed.set(id, (followed.get(id) ?? 0) + 1))
    again()
    return () => {
      for (const id of wanted) {
        const left = (followed.get(id) ?? 1) - 1
        if (left) followed.set(id, left)
        else followed.delete(id)
      }
      again()
    }
  }, [ids])
  return now
}

const MOST = 50 // that the API follows at once
const SETTLE_MS = 150
const AGAIN_MS = 3_000
const followed = new Map<string, number>()
let source: EventSource | null = null
let timer: ReturnType<typeof setTimeout> | undefined
let turn = 0

/** Opens the connection for what is wanted now. */
function again(after = SETTLE_MS): void {
  clearTimeout(timer)
  timer = setTimeout(() => void connect(), after)
}

async function connect(): Promise<void> {
  const mine = ++turn
  source?.close()
  source = null
  const wanted = [...followed.keys()].slice(-MOST)
  if (!wanted.length) return
  const token = await session.token().catch(() => null)
  if (mine !== turn) return // another one is being opened
  if (!token) return void (session.signedIn && again(AGAIN_MS))
  const query = new URLSearchParams([...wanted.map((id) => ['video', id]), ['access_token', token]])
  const opened = (source = new EventSource(`/v1/processing/stream?${query}`))
  opened.addEventListener('processing', (event) => hear(JSON.parse((event as MessageEvent<string>).data) as Heard))
  opened.onerror = () => {
    if (opened.readyState === EventSource.CLOSED && opened === source) again(AGAIN_MS) // with a new token, or without a video that is gone
  }
}

function hear({ video_id: id, ...processing }: Heard): void {
  heard.value = new Map(heard.value).set(id, processing)
  if (!over(processing)) return
  followed.delete(id)
  if (!followed.size) again()
  look(id) // pictures, length and qualities are there now
}
