/** One file on its way, from its announcement to its last byte: in parts, several at once, again where one failed. */
import { signal } from '@preact/signals'
import { unique } from '../api/apart'
import { api, ask, Problem, type Schemas } from '../api/client'
import { pause } from '../api/reach'
import { uploading } from '../text'
import { type Kept, remember } from './records'
import { put, slots } from './wire'

type View = Schemas['UploadView']

/** `choosing`: the file must be chosen again. `waiting`: for the network or a busy server. `sent`: the server has it all. */
export type Phase = 'choosing' | 'announcing' | 'sending' | 'waiting' | 'paused' | 'finishing' | 'sent' | 'failed' | 'cancelled'
export interface State {
  phase: Phase
  sent: number
  rate: number // bytes a second, 0 while it is not known
  problem: unknown
}

const TURNS_MOST = 7 // of what fails with an answer; without one it is tried until there is
const LINK_MS = 10 * 60_000 // links work for fifteen minutes, by the server's clock
const LINKS_AHEAD = 16
const RATE_OVER_MS = 6_000
const TOLD_EVERY_MS = 200
const OVER = new Set(['upload_expired', 'upload_closed', 'not_found'])

export class Transfer {
  readonly state = signal<State>({ phase: 'paused', sent: 0, rate: 0, problem: null })
  /** Resolves when nothing more is to be done for it. */
  readonly over: Promise<void>
  #end: () => void = () => undefined
  #stop = new AbortController()
  #ran: Promise<void> = Promise.resolve()
  #had = 0 // bytes of the parts that the server has
  #flying = new Map<number, number>()
  #links = new Map<number, { url: string; since: number }>()
  #signing: Promise<void> | null = null
  #queue: number[] = []
  #samples: [at: number, sent: number][] = []
  #told = 0

  constructor(
    readonly kept: Kept,
    public file: File | null,
  ) {
    this.over = new Promise((resolve) => (this.#end = resolve))
    if (!file) this.#become('choosing')
  }

  get busy(): boolean {
    return ['announcing', 'sending', 'waiting', 'finishing'].includes(this.state.value.phase)
  }

  start(): void {
    const { file } = this
    if (this.busy || !file) return
    const { problem } = this.state.value
    if (problem instanceof Problem && OVER.has(problem.code)) {
      delete this.kept.upload // that one is no more: the file begins again as another
      this.kept.nonce = unique()
    }
    this.kept.paused = false
    const stop = (this.#stop = new AbortController()).signal
    this.#become(this.kept.upload ? 'sending' : 'announcing')
    this.#ran = this.#ran.then(() => (stop.aborted ? undefined : this.#run(file, stop)))
  }

  pause(): void {
    this.kept.paused = true
    this.#halt('paused')
    this.#flying.clear() // of a part that is not whole nothing is kept
    this.#tell(true)
    void remember(this.kept)
  }

  async cancel(): Promise<void> {
    this.#halt('cancelled')
    await this.#ran // an announcement may be under way
    try {
      if (this.kept.upload) await ask(api.POST('/v1/uploads/{upload_id}/cancel', { params: { path: { upload_id: this.kept.upload } } }))
    } catch (problem) {
      if (!(problem instanceof Problem && OVER.has(problem.code))) {
        this.#become('paused')
        throw problem
      }
    }
    this.#end()
  }

  /** Shows how much the server has, of one that does not go on by itself. */
  async look(): Promise<void> {
    if (!this.kept.upload) return
    const view = await this.#view(this.#stop.signal)
    if (this.busy) return
    this.#had = arrived(view)
    this.#tell(true)
  }

  /** Lets go of it here, for instance because somebody else signs in; the server keeps what it has. */
  leave(): void {
    this.#halt('cancelled')
    this.#end()
  }

  #halt(phase: Phase): void {
    this.#become(phase)
    this.#stop.abort()
  }

  #become(phase: Phase, problem: unknown = null): void {
    this.state.value = { ...this.state.value, phase, problem, rate: 0 }
    this.#samples = []
  }

  async #run(file: File, stop: AbortSignal): Promise<void> {
    try {
      await remember(this.kept)
      let view = await this.#patiently(stop, () => this.#view(stop))
      while (!stop.aborted && open(view)) {
        let wrong: unknown = null
        try {
          if (!view.parts.length && (await this.#complete(stop))) break
          await this.#send(file, view, stop)
        } catch (problem) {
          if (stop.aborted) throw problem
          wrong = problem
        }
        view = await this.#patiently(stop, () => this.#view(stop))
        if (wrong && open(view)) throw wrong // if it is over, somebody else sent the rest, or gave it up
      }
      if (stop.aborted) return // what it is now was said by whoever stopped it
      if (['cancelled', 'expired', 'failed'].includes(view.status)) throw new Problem('upload_closed', view.error ?? uploading.over, 409)
      this.state.value = { phase: 'sent', sent: file.size, rate: 0, problem: null }
      this.#end()
    } catch (problem) {
      if (!stop.aborted) {
        this.#halt('failed')
        this.#become('failed', problem)
      }
    }
  }

  /** The upload as the server has it; announced first, if it does not know of it. */
  async #view(stop: AbortSignal): Promise<View> {
    const { kept } = this
    if (kept.upload) return ask(api.GET('/v1/uploads/{upload_id}', { params: { path: { upload_id: kept.upload } } }))
    const view = await ask(
      api.POST('/v1/uploads', {
        params: { header: { 'Idempotency-Key': kept.nonce } },
        body: { channel_id: kept.channel, filename: kept.name, content_type: kept.type, size_bytes: kept.size, title: kept.replaces ? '' : kept.title, description: '', tags: [], ...(kept.replaces ? { replaces: kept.replaces } : {}) },
      }),
    )
    kept.upload = view.id
    kept.video = view.video_id
    await remember(kept)
    if (!stop.aborted) this.#become('sending')
    return view
  }

  /** Answers whether the server took it for whole. */
  async #complete(stop: AbortSignal): Promise<boolean> {
    this.#become('finishing')
    const path = { upload_id: this.kept.upload ?? '' }
    try {
      await this.#patiently(stop, () => ask(api.POST('/v1/uploads/{upload_id}/complete', { params: { path }, body: { parts: [] } })))
      return true
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'parts_missing') return false
      throw problem
    }
  }

  async #send(file: File, view: View, stop: AbortSignal): Promise<void> {
    const here = new Set(view.received.map((part) => part.number))
    this.#had = arrived(view)
    this.#flying.clear()
    this.#links = new Map(view.parts.map((part) => [part.number, { url: part.url, since: Date.now() }]))
    this.#queue = Array.from({ length: view.part_count }, (_, place) => place + 1).filter((number) => !here.has(number))
    this.#tell(true)
    const failed = new AbortController() // one part that cannot be sent ends the others
    const either = AbortSignal.any([stop, failed.signal])
    const worker = async () => {
      for (let number = this.#queue.shift(); number !== undefined; number = this.#queue.shift()) {
        const start = (number - 1) * view.part_size_bytes
        await this.#part(number, file.slice(start, Math.min(start + view.part_size_bytes, file.size)), either)
      }
    }
    try {
      await Promise.all(Array.from({ length: slots.most }, worker))
    } catch (problem) {
      failed.abort()
      throw problem
    }
  }

  async #part(number: number, bytes: Blob, stop: AbortSignal): Promise<void> {
    await this.#patiently(stop, async () => {
      await slots.take()
      let took: number | undefined
      try {
        if (stop.aborted) throw new Problem('offline', '', 0)
        const url = await this.#link(number)
        const begun = performance.now()
        await put(url, bytes, stop, (sent) => {
          this.#flying.set(number, sent)
          if (this.state.value.phase === 'waiting') this.#become('sending')
          this.#tell()
        })
        took = performance.now() - begun
        this.#had += bytes.size
      } catch (problem) {
        this.#links.delete(number) // it may have run out: an answer can get lost while bytes are sent
        if (problem instanceof Problem && problem.status === 0 && !stop.aborted) await readable(bytes)
        throw problem
      } finally {
        this.#flying.delete(number)
        slots.leave(took)
      }
    })
    this.#tell()
  }

  async #link(number: number): Promise<string> {
    for (;;) {
      const link = this.#links.get(number)
      if (link && Date.now() - link.since < LINK_MS) return link.url
      this.#signing ??= this.#sign([number, ...this.#queue.slice(0, LINKS_AHEAD - 1)]).finally(() => (this.#signing = null))
      await this.#signing
    }
  }

  async #sign(numbers: number[]): Promise<void> {
    const path = { upload_id: this.kept.upload ?? '' }
    const { parts } = await ask(api.POST('/v1/uploads/{upload_id}/parts', { params: { path }, body: { numbers } }))
    for (const part of parts) this.#links.set(part.number, { url: part.url, since: Date.now() })
  }

  /** Does it again where that may help, and says that it waits. */
  async #patiently<T>(stop: AbortSignal, act: () => Promise<T>): Promise<T> {
    for (let turn = 0; ; turn += 1) {
      try {
        return await act()
      } catch (problem) {
        if (stop.aborted || !passing(problem, turn)) throw problem
        this.#become('waiting', problem)
        await pause(turn, stop)
        if (stop.aborted) throw problem
      }
    }
  }

  #tell(always = false): void {
    const at = performance.now()
    if (!always && at - this.#told < TOLD_EVERY_MS) return
    this.#told = at
    const sent = Math.min(this.kept.size, [...this.#flying.values()].reduce((sum, each) => sum + each, this.#had))
    this.#samples = [...this.#samples.filter(([when]) => at - when < RATE_OVER_MS), [at, sent]]
    const [first] = this.#samples
    const rate = first && at - first[0] > 1_000 ? Math.max(0, (sent - first[1]) / ((at - first[0]) / 1000)) : this.state.value.rate
    this.state.value = { ...this.state.value, sent, rate }
  }
}

/** Bytes of the parts that the server has. */
export const arrived = ({ received }: View): number => received.reduce((sum, part) => sum + part.size_bytes, 0)
const open = ({ status }: View): boolean => status === 'waiting' || status === 'uploading'

/** Whether the same may work later. */
function passing(problem: unknown, turn: number): boolean {
  if (!(problem instanceof Problem)) return false
  if (problem.status === 0) return true
  const link = problem.status === 403 && ['unknown', 'link_expired', 'link_invalid'].includes(problem.code)
  return turn < TURNS_MOST && (link || problem.status === 408 || problem.status === 429 || problem.status >= 500)
}

/** Throws if the file cannot be read any more: to the request that sends it that looks like no network. */
async function readable(bytes: Blob): Promise<void> {
  try {
    await bytes.slice(0, 1).arrayBuffer()
  } catch {
    throw new Problem('file_changed', uploading.changed, 400)
  }
}
