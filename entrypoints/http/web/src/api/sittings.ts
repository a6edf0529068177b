/** Sitting in front of a video: leave to play it, and telling how far one has come. */
import { type Schemas, Problem, api, ask } from './client'

export type Sitting = Schemas['PlaybackView']

const FRESH_MS = 20_000
const ready = new Map<string, { since: number; sitting: Promise<Sitting> }>()

function begin(video: string): Promise<Sitting> {
  return ask(api.POST('/v1/videos/{video_id}/playback-sessions', { params: { path: { video_id: video } }, body: { mode: 'cookie' } }))
}

/** Asks before the page is there, as a card is pressed. */
export function prepare(video: string): void {
  const now = Date.now()
  for (const [id, { since }] of ready) if (now - since > FRESH_MS) ready.delete(id)
  if (ready.has(video)) return
  const sitting = begin(video)
  sitting.catch(() => ready.delete(video)) // whoever opens it asks again, and tells of it
  ready.set(video, { since: now, sitting })
}

/** Throws Problem. */
export function open(video: string): Promise<Sitting> {
  const prepared = ready.get(video)
  ready.delete(video)
  return prepared && Date.now() - prepared.since <= FRESH_MS ? prepared.sitting : begin(video)
}

/** Says where one is; answers false where the sitting is over. `last`: as the page goes away. */
export async function beat(video: string, sitting: string, position: number, last: boolean): Promise<boolean> {
  try {
    await ask(api.POST('/v1/videos/{video_id}/views', {
      params: { path: { video_id: video } },
      body: { playback_session_id: sitting, position_s: Math.round(position * 10) / 10 },
      keepalive: last,
    }))
    return true
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return error.status !== 404 // what else failed is made up for by the next one
  }
}
