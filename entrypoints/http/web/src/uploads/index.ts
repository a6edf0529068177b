/** All uploads of whoever is signed in. They live here, outside of any page, and go on while people walk about. */
import { effect } from '@preact/signals'
import { alone, unique } from '../api/apart'
import { api, ask, type Schemas } from '../api/client'
import { look } from '../api/videos'
import { me } from '../api/session'
import { uploading } from '../text'
import { all, copy, fileOf, forget, type Kept, recall, reopened, same } from './records'
import { transfers } from './state'
import { Transfer } from './transfer'

export { forgetFiles } from './records'
export { transfers } from './state'
export { arrived } from './transfer'
export type { Phase, Transfer } from './transfer'

type View = Schemas['UploadView']
export interface Chosen {
  file: File
  handle?: FileSystemFileHandle
}

/** Begins to send a file to a channel, as a new video or in the place of one's source. */
export function begin({ file, handle }: Chosen, channel: string, replaces?: string): Transfer {
  const kept: Kept = {
    key: unique(), nonce: unique(), person: me.value?.id ?? '', channel,
    name: file.name, type: kind(file), title: titled(file.name), size: file.size, lastModified: file.lastModified,
    ...(handle ? { handle } : {}), ...(replaces ? { replaces } : {}),
  }
  return run(kept, file)
}

/** Goes on with an upload that this browser does not know of, with the file as somebody chose it again. */
export function adopt(view: View, file: File): Transfer {
  const kept: Kept = {
    key: unique(), nonce: unique(), person: me.value?.id ?? '', channel: view.channel_id,
    name: view.filename, type: view.content_type, title: titled(view.filename), size: view.size_bytes, lastModified: null,
    upload: view.id, video: view.video_id,
  }
  return run(kept, file)
}

function run(kept: Kept, file: File): Transfer {
  const transfer = new Transfer(kept, file)
  void alone(lock(kept.key), () => follow(transfer))
  transfer.start()
  if (!kept.handle) void copy(kept.key, file, () => goes(transfer)).catch(() => undefined) // without room for it the file is asked for again
  return transfer
}

const goes = ({ state }: Transfer): boolean => !['sent', 'cancelled'].includes(state.peek().phase)

/** Takes up what this browser remembers. What another tab is sending is taken up when that tab is closed. */
export async function restore(person: string): Promise<void> {
  for (const { key } of await all(person)) {
    if (transfers.value.some((each) => each.kept.key === key)) continue
    void alone(lock(key), async () => {
      const kept = await recall(key)
      if (!kept || me.value?.id !== person) return
      const transfer = new Transfer(kept, await fileOf(kept))
      const ended = follow(transfer)
      if (!kept.paused) transfer.start()
      if (!transfer.busy) void transfer.look().catch(() => undefined) // it is asked for again as it goes on
      await ended
    })
  }
}

/** Shows it until it is over, and then forgets what was remembered of it. */
async function follow(transfer: Transfer): Promise<void> {
  transfers.value = [...transfers.value, transfer]
  await transfer.over
  const { phase } = transfer.state.value
  if (phase === 'cancelled') dismiss(transfer)
  if (phase !== 'cancelled' || me.value?.id === transfer.kept.person) await forget(transfer.kept.key)
  look(transfer.kept.video)
  if (transfer.kept.replaces) setTimeout(() => look(transfer.kept.video), BEGUN_MS) // what plays is shown as ready until the new file is begun with
}

export function dismiss(transfer: Transfer): void {
  transfers.value = transfers.value.filter((each) => each !== transfer)
}

/** Gives an upload its file again. Answers what is wrong with it. */
export function give(transfer: Transfer, file: File): string | null {
  if (!same(transfer.kept, file)) return uploading.another(transfer.kept.name)
  transfer.file = file
  transfer.start()
  return null
}

/** The same by the handle that is remembered. Answers false where people must choose. */
export async function reopen(transfer: Transfer): Promise<boolean> {
  const file = await reopened(transfer.kept)
  return file ? give(transfer, file) === null : false
}

/** Uploads that the server waits for and this tab does not send: another one does, or this browser knows nothing of them. */
export async function others(): Promise<{ elsewhere: readonly View[]; strangers: readonly View[] }> {
  const { data } = await ask(api.GET('/v1/uploads', { params: { query: { status: 'open', limit: 100 } } }))
  const kept = new Set((await all(me.value?.id ?? '')).map((each) => each.upload))
  const here = new Set(transfers.value.map((each) => each.kept.upload))
  const foreign = data.filter((each) => !here.has(each.id))
  return { elsewhere: foreign.filter((each) => kept.has(each.id)), strangers: foreign.filter((each) => !kept.has(each.id)) }
}

export const fits = (view: View, file: File): boolean => file.name === view.filename && file.size === view.size_bytes

const BEGUN_MS = 3_000
const lock = (key: string) => `hexcast.upload.${key}`
const TITLE_MOST = 100
const titled = (name: string): string => name.replace(/\.[^.]{1,5}$/, '').replace(/[_\s]+/g, ' ').trim().slice(0, TITLE_MOST) || name.slice(0, TITLE_MOST)
const ENDINGS: Readonly<Record<string, string>> = { mkv: 'video/x-matroska', ts: 'video/mp2t', m2ts: 'video/mp2t', mts: 'video/mp2t', flv: 'video/x-flv', mxf: 'application/mxf' }
const kind = (file: File): string => file.type || (ENDINGS[file.name.split('.').pop()?.toLowerCase() ?? ''] ?? 'application/octet-stream')

/** Why a file need not be sent at all, or null. */
export function refusal(file: File, mostBytes: number | undefined): string | null {
  const type = kind(file)
  if (!/^(video|audio)\//.test(type) && !['application/octet-stream', 'application/mxf', 'application/ogg', 'application/mp4'].includes(type)) return uploading.noVideo(type)
  if (!file.size) return uploading.empty
  if (mostBytes !== undefined && file.size > mostBytes) return uploading.tooLarge(file.size, mostBytes)
  return null
}

let person = me.value?.id ?? null
effect(() => {
  const now = me.value === null ? null : me.value?.id
  if (now === undefined || now === person) return // it is not known yet who is there
  person = now
  transfers.peek().forEach((each) => each.leave())
  transfers.value = []
})

addEventListener('beforeunload', (event) => {
  if (transfers.value.some((each) => each.busy)) event.preventDefault()
})
