/** What this browser remembers of uploads, so that they go on after a reload: which file, for which upload. */
import { clear, createStore, del, get, set, values } from 'idb-keyval'
import { hint } from './state'

/** A file as it was chosen. `upload` and `video` are there once the server knows of it. */
export interface Kept {
  key: string
  nonce: string // with it, an announcement whose answer was lost makes nothing twice
  person: string
  channel: string
  name: string
  type: string
  title: string
  size: number
  lastModified: number | null // unknown for uploads that another browser began
  replaces?: string
  upload?: string
  video?: string
  paused?: boolean
  handle?: FileSystemFileHandle
}

/** Chromium copies a file that is put into IndexedDB: no more than this is worth it, a larger one is chosen again. */
export const COPIED_MOST = 256_000_000
const ROOM_TIMES = 4

const records = createStore('hexcast.uploads', 'records')
const copies = createStore('hexcast.files', 'files')

export async function remember(kept: Kept): Promise<void> {
  hint.keep(true)
  await set(kept.key, kept, records)
}

export const recall = (key: string): Promise<Kept | undefined> => get<Kept>(key, records)

export async function all(person: string): Promise<readonly Kept[]> {
  return (await values<Kept>(records)).filter((each) => each.person === person)
}

export async function forget(key: string): Promise<void> {
  await del(key, records)
  await del(key, copies)
  if ((await values(records)).length) return
  hint.keep(false)
  await clear(copies) // and what a tab that was closed in the middle left behind
}

/** Keeps the file itself if it is small enough, and `wanted` still. Not to have it costs a question after a reload, no more. */
export async function copy(key: string, file: File, wanted: () => boolean): Promise<void> {
  if (file.size > COPIED_MOST) return
  const { quota = 0, usage = 0 } = await navigator.storage.estimate()
  if (file.size * ROOM_TIMES > quota - usage) return
  if (wanted()) await set(key, file, copies)
}

/** Leaves no file behind for who comes next. What was being sent is remembered, and its file asked for again. */
export const forgetFiles = (): Promise<void> => clear(copies)

/** The file of a record, if it can be had without asking anybody. */
export async function fileOf(kept: Kept): Promise<File | null> {
  const copied = await get<File>(kept.key, copies)
  if (copied) return copied
  if (kept.handle && (await permission(kept.handle, 'query')) === 'granted') return opened(kept)
  return null
}

/** The same after asking for leave, which a click must come before. */
export async function reopened(kept: Kept): Promise<File | null> {
  if (!kept.handle || (await permission(kept.handle, 'request')) !== 'granted') return null
  return opened(kept)
}

export function same(kept: Kept, file: File): boolean {
  return file.name === kept.name && file.size === kept.size && (kept.lastModified === null || file.lastModified === kept.lastModified)
}

async function opened(kept: Kept): Promise<File | null> {
  const file = await kept.handle?.getFile().catch(() => null) // moved or removed since
  return file && same(kept, file) ? file : null
}

// Chromium's own, for files that were dropped; not in TypeScript's list of what every browser has.
interface Permitted {
  queryPermission?: (wish: { mode: 'read' }) => Promise<PermissionState>
  requestPermission?: (wish: { mode: 'read' }) => Promise<PermissionState>
}

async function permission(handle: FileSystemFileHandle & Permitted, how: 'query' | 'request'): Promise<PermissionState> {
  const answer = how === 'query' ? handle.queryPermission?.({ mode: 'read' }) : handle.requestPermission?.({ mode: 'read' })
  return (await answer) ?? 'denied'
}
