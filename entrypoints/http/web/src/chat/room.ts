/** A stream's chat: a connection that comes back by itself, and what was said. It speaks the IVS Chat Messaging API. */
import { signal } from '@preact/signals'
import { Problem, api, ask, missing } from '../api/client'
import { chat } from '../text'
import { type Line, type Standing, known, merged } from './lines'

export type Link = 'connecting' | 'open' | 'waiting' | 'full' | 'gone'

const FLUSH_MS = 60 // what comes at once is shown at once
const ANSWER_MS = 10_000
const AGAIN_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000]
const STEADY_MS = 20_000 // a connection that held for so long was a good one
const CROWDED = 4429

interface Frame {
  Type: 'MESSAGE' | 'EVENT' | 'ERROR'
  Id: string
  RequestId?: string
  SendTime: string
  Content?: string
  Sender?: { UserId: string; Attributes?: { displayName?: string; standing?: Standing } }
  EventName?: string
  Attributes?: { MessageID?: string }
  ErrorCode?: number
  ErrorMessage?: string
}

interface Answer {
  resolve: () => void
  reject: (error: Problem) => void
  timer: ReturnType<typeof setTimeout>
}

export class Room {
  readonly link = signal<Link>('connecting')
  readonly lines = signal<readonly Line[]>([])
  /** What this connection may do. Null until it is known. */
  readonly may = signal<ReadonlySet<string> | null>(null)
  /** How it stands with what was said before. */
  readonly earlier = signal<'asked' | 'here' | 'failed'>('asked')

  #socket: WebSocket | null = null
  #attempt = 0 // which of the connections is the present one
  #failures = 0
  #again: ReturnType<typeof setTimeout> | undefined
  #flush: ReturnType<typeof setTimeout> | undefined
  #inbox: Line[] = []
  #answers = new Map<string, Answer>()
  #asked = 0

  constructor(
    private readonly stream: string,
    private readonly said: () => Promise<readonly Line[]>, // what was said lately in the broadcast that goes on
  ) {}

  /** Joins, and stays until the returned function is called. */
  open(): () => void {
    const back = () => {
      if (this.link.value === 'waiting') this.renew()
    }
    addEventListener('online', back)
    void this.#connect()
    return () => {
      removeEventListener('online', back)
      this.#drop()
      clearTimeout(this.#flush)
    }
  }

  /** Joins anew: with a new token, which may allow something else. */
  renew(): void {
    this.#drop()
    this.link.value = 'connecting'
    void this.#connect()
  }

  /** Joins anew once one may do more, as when a ban was lifted. */
  async look(): Promise<void> {
    const attempt = this.#attempt
    const found = await this.#token().catch(() => null)
    if (found?.capabilities.some((each) => !this.may.value?.has(each)) && attempt === this.#attempt) this.renew()
  }

  #token() {
    return ask(api.POST('/v1/streams/{stream_id}/chat-tokens', { params: { path: { stream_id: this.stream } } }))
  }

  /** Asks again for what was said before. */
  replay(): void {
    void this.#replay(this.#attempt)
  }

  /** Resolves once everyone is shown it. Rejects with what the room has against it. */
  async say(text: string): Promise<void> {
    await this.#joined()
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) throw new Problem('chat_away', chat.notSent, 0)
    const request = `${Math.random().toString(36).slice(2)}-${++this.#asked}`
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#answer(request, new Problem('chat_silent', chat.noAnswer, 0)), ANSWER_MS)
      this.#answers.set(request, { resolve, reject, timer })
      socket.send(JSON.stringify({ Action: 'SEND_MESSAGE', RequestId: request, Content: text }))
    })
  }

  /** Who writes while the room is being joined need not write again. */
  #joined(): Promise<void> {
    if (this.link.value !== 'connecting') return Promise.resolve()
    return new Promise((resolve) => {
      const end = this.link.subscribe((link) => {
        if (link === 'connecting') return // which is said at once
        end()
        resolve()
      })
    })
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt
    try {
      const found = await this.#token()
      if (attempt !== this.#attempt) return
      this.may.value = new Set(found.capabilities)
      this.#join(attempt, new WebSocket(found.url, found.token))
    } catch (error) {
      if (attempt !== this.#attempt) return
      if (missing(error)) this.link.value = 'gone'
      else this.#later('waiting')
    }
  }

  #join(attempt: number, socket: WebSocket): void {
    let since = 0
    this.#socket = socket
    socket.onopen = () => {
      since = Date.now()
      this.link.value = 'open'
      void this.#replay(attempt)
    }
    socket.onmessage = (event) => this.#hear(JSON.parse(String(event.data)) as Frame)
    socket.onclose = (event) => {
      if (attempt !== this.#attempt) return
      this.#socket = null
      this.#giveUp()
      if (since && Date.now() - since > STEADY_MS) this.#failures = 0
      this.#later(event.code === CROWDED ? 'full' : 'waiting')
    }
  }

  /** What was said before, and while the connection was away. */
  async #replay(attempt: number): Promise<void> {
    const joined = Date.now()
    this.earlier.value = 'asked'
    const said = await this.said().catch(() => null)
    if (attempt !== this.#attempt) return
    if (said) this.lines.value = merged(this.lines.value, said, joined)
    this.earlier.value = said ? 'here' : 'failed'
  }

  #later(link: Link): void {
    this.link.value = link
    const step = link === 'full' ? AGAIN_MS.length - 1 : Math.min(this.#failures++, AGAIN_MS.length - 1)
    const wait = AGAIN_MS[step] ?? 0
    clearTimeout(this.#again)
    this.#again = setTimeout(() => void this.#connect(), wait * (0.75 + Math.random() / 2)) // not all of a room at once
  }

  #drop(): void {
    this.#attempt++
    clearTimeout(this.#again)
    this.#socket?.close()
    this.#socket = null
    this.#giveUp()
  }

  #giveUp(): void {
    for (const request of [...this.#answers.keys()]) this.#answer(request, new Problem('chat_away', chat.notSent, 0))
  }

  #answer(request: string | undefined, error?: Problem): void {
    const waiting = request ? this.#answers.get(request) : undefined
    if (!request || !waiting) return
    this.#answers.delete(request)
    clearTimeout(waiting.timer)
    if (error) waiting.reject(error)
    else waiting.resolve()
  }

  #hear(frame: Frame): void {
    if (frame.Type === 'MESSAGE') {
      this.#inbox.push({
        id: frame.Id,
        author: frame.Sender?.UserId ?? '',
        name: frame.Sender?.Attributes?.displayName ?? '',
        standing: known(frame.Sender?.Attributes?.standing),
        text: frame.Content ?? '',
        at: Date.parse(frame.SendTime),
      })
      this.#flush ??= setTimeout(() => this.#show(), FLUSH_MS)
      this.#answer(frame.RequestId)
    } else if (frame.Type === 'ERROR') {
      this.#answer(frame.RequestId, new Problem('chat', frame.ErrorMessage ?? '', frame.ErrorCode ?? 0))
    } else if (frame.EventName === 'aws:DELETE_MESSAGE') {
      this.#show()
      this.lines.value = this.lines.value.filter((each) => each.id !== frame.Attributes?.MessageID)
    }
  }

  #show(): void {
    clearTimeout(this.#flush)
    this.#flush = undefined
    if (!this.#inbox.length) return
    this.lines.value = merged(this.lines.value, this.#inbox)
    this.#inbox = []
  }
}
