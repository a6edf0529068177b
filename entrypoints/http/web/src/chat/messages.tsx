/** What was said, with the newest in sight until the reader scrolls up. */
import { ArrowDown, Ban, EllipsisVertical, Trash2 } from 'lucide-preact'
import { memo } from 'preact/compat'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type Stream, api, ask } from '../api/client'
import { queries } from '../api/queries'
import { me } from '../api/session'
import { chat, common } from '../text'
import { Confirm, Menu, attempt, toast } from '../ui/overlay'
import { Rich } from '../ui/rich'
import type { Line } from './lines'
import type { Room } from './room'

const NEAR_PX = 48

interface MessagesProps {
  room: Room
  stream: Stream
  moderates: boolean
}

export function Messages({ room, stream, moderates }: MessagesProps) {
  const lines = room.lines.value
  const own = me.value?.id
  const { box, list, unseen, toNewest } = useNewest(lines)
  const [banning, setBanning] = useState<Line | null>(null)

  function remove(line: Line): void {
    const path = { stream_id: stream.id, message_id: line.id }
    void attempt(() => ask(api.DELETE('/v1/streams/{stream_id}/chat-messages/{message_id}', { params: { path } })))
  }
  async function ban(line: Line): Promise<void> {
    const path = { stream_id: stream.id, user_id: line.author }
    const done = await attempt(() => ask(api.PUT('/v1/streams/{stream_id}/chat-bans/{user_id}', { params: { path } })))
    if (!done) return
    toast(chat.bannedNow(line.name))
    void queries.invalidateQueries({ queryKey: ['streams', stream.id, 'chat-bans'] })
  }

  return (
    <div class="messages">
      <div class="log" ref={box} role="log" aria-live="polite" aria-label={chat.log} aria-busy={room.earlier.value === 'asked'} tabIndex={0} onKeyDown={among}>
        {room.earlier.value === 'failed' && (
          <p class="none">{chat.noEarlier} <button class="button small" type="button" onClick={() => room.replay()}>{common.retry}</button></p>
        )}
        {lines.length === 0 && room.earlier.value === 'here' && room.link.value === 'open' && (
          <p class="none">{!stream.current_session_id ? chat.emptyBefore : room.may.value?.has('SEND_MESSAGE') ? chat.emptyWriter : chat.empty}</p>
        )}
        <ol ref={list}>
          {lines.map((line, place) => (
            <Row key={line.id} line={line} own={line.author === own} last={place === lines.length - 1} remove={moderates || line.author === own ? remove : null}
              ban={moderates && line.author !== own && line.standing === 'viewer' ? setBanning : null} />
          ))}
        </ol>
      </div>
      {unseen > 0 && <button class="button accent small newest" type="button" onClick={toNewest}><ArrowDown aria-hidden />{chat.fresh(unseen)}</button>}
      <Confirm open={banning !== null} title={chat.banTitle} action={chat.banDo} cancel={chat.cancel} onClose={() => setBanning(null)} onConfirm={() => banning && ban(banning)}>
        <p class="person">{banning && chat.banText(banning.name)}</p>
      </Confirm>
    </div>
  )
}

interface RowProps {
  line: Line
  own: boolean
  last: boolean
  remove: ((line: Line) => void) | null
  ban: ((line: Line) => void) | null
}

export const Row = memo(
  function Row({ line, own, last, remove, ban }: RowProps) {
    const standing = chat.standings[line.standing]
    return (
      <li class={own ? 'own' : undefined}>
        <p>
          {standing && <span class={`badge ${line.standing}`}>{standing}</span>}{' '}
          <bdi class="name" title={line.name}>{line.name}</bdi>{own && <span class="hush"> ({chat.you})</span>}{' '}
          <span class="prose"><Rich text={line.text} /></span>
        </p>
        {(remove || ban) && (
          <Menu label={chat.actions(line.name)} class="button bare icon small" icon={<EllipsisVertical aria-hidden />} tabIndex={last ? 0 : -1}>
            {remove && <button type="button" onClick={() => remove(line)}><Trash2 aria-hidden />{chat.remove}</button>}
            {ban && <button type="button" onClick={() => ban(line)}><Ban aria-hidden />{chat.ban}</button>}
          </Menu>
        )}
      </li>
    )
  },
  (a, b) => a.line === b.line && a.own === b.own && a.last === b.last && !a.remove === !b.remove && !a.ban === !b.ban,
)

/** Arrows go from the actions of one message to those of the next: with Tab it would take one a message. */
function among(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  const row = (event.target as Element).closest('.log li')
  if (!step || !row || (event.target as Element).closest('[popover]')) return
  const other = step > 0 ? row.nextElementSibling : row.previousElementSibling
  event.preventDefault()
  other?.querySelector<HTMLElement>('[aria-haspopup]')?.focus()
}

/** Keeps the newest in sight, unless the reader looks at what was before; counts what they have not seen. */
export function useNewest(lines: readonly Line[]) {
  const box = useRef<HTMLDivElement>(null)
  const list = useRef<HTMLOListElement>(null)
  const following = useRef(true)
  const seen = useRef<number>(0)
  const [unseen, setUnseen] = useState(0)

  function toNewest(): void {
    following.current = true
    setUnseen(0)
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }
  useEffect(() => {
    const [outer, inner] = [box.current, list.current]
    if (!outer || !inner) return
    const onScroll = () => {
      following.current = outer.scrollHeight - outer.scrollTop - outer.clientHeight < NEAR_PX
      if (following.current) setUnseen(0)
    }
    const fitting = new ResizeObserver(() => {
      if (following.current) outer.scrollTop = outer.scrollHeight
    })
    outer.addEventListener('scroll', onScroll, { passive: true })
    fitting.observe(outer)
    fitting.observe(inner)
    return () => {
      outer.removeEventListener('scroll', onScroll)
      fitting.disconnect()
    }
  }, [])
  useLayoutEffect(() => {
    const fresh = lines.filter((each) => each.at > seen.current).length
    seen.current = Math.max(seen.current, lines.at(-1)?.at ?? 0)
    if (following.current) toNewest()
    else if (fresh) setUnseen((count) => count + fresh)
  }, [lines])
  return { box, list, unseen, toNewest }
}
