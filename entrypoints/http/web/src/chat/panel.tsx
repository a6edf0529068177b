/** The chat beside a stream. */
import { LoaderCircle, MessageSquareOff, Settings2 } from 'lucide-preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useQuery } from '@tanstack/preact-query'
import { useChannel } from '../api/channels'
import { type Stream, api, ask } from '../api/client'
import { keepsOrder, me } from '../api/session'
import { chat } from '../text'
import { here } from '../ui/link'
import { Subscribe } from '../ui/subscribe'
import './chat.css'
import { Compose } from './compose'
import { type Line, known } from './lines'
import { Messages } from './messages'
import { Room } from './room'
import { Rules } from './rules'

const RULES_MS = 30_000
const BANNED_MS = 10_000
const EARLIER = 100

export function Chat({ stream }: { stream: Stream }) {
  const room = useRoom(stream)
  const [ruling, setRuling] = useState(false)
  const moderates = room.may.value?.has('DELETE_MESSAGE') ?? false
  const rules = useRules(stream.id)
  useEffect(() => {
    // What a connection may do was decided when it was made.
    if (rules.data?.enabled && room.may.value?.size === 0 && me.value) room.renew()
  }, [room, rules.data?.enabled])
  useEffect(() => {
    if (stream.current_session_id && room.link.peek() === 'open') room.replay() // the minute before it began is a part of it
  }, [room, stream.current_session_id])
  return (
    <section class="chat" aria-labelledby="chat-title">
      <header class="row apart">
        <h2 id="chat-title">{chat.title}</h2>
        {(moderates || (me.value && rules.data && !rules.data.enabled)) && <RulesButton stream={stream} onOpen={() => setRuling(true)} />}
      </header>
      <Messages room={room} stream={stream} moderates={moderates} />
      <Standing room={room} />
      <Foot room={room} stream={stream} moderates={moderates} />
      {rules.data && <Rules stream={stream} rules={rules.data} open={ruling} onClose={() => setRuling(false)} />}
    </section>
  )
}

/** Where the chat is off nobody's connection may do anything: who moderates is known by the channel then. */
function RulesButton({ stream, onOpen }: { stream: Stream; onOpen: () => void }) {
  const { data } = useChannel(stream.channel.id)
  if (!data?.viewer?.role && !keepsOrder()) return null
  return <button class="button bare icon small" type="button" aria-label={chat.rules.open} title={chat.rules.open} onClick={onOpen}><Settings2 aria-hidden /></button>
}

export function useRules(stream: string) {
  return useQuery({
    queryKey: ['streams', stream, 'chat-rules'],
    queryFn: () => ask(api.GET('/v1/streams/{stream_id}/chat-rules', { params: { path: { stream_id: stream } } })),
    refetchInterval: RULES_MS,
  })
}

function useRoom(stream: Stream): Room {
  const session = useRef(stream.current_session_id)
  session.current = stream.current_session_id
  const room = useMemo(() => new Room(stream.id, () => earlier(session.current)), [stream.id, me.value?.id])
  useEffect(() => room.open(), [room])
  return room
}

async function earlier(session: string | null | undefined): Promise<readonly Line[]> {
  if (!session) return []
  const { data } = await ask(
    api.GET('/v1/stream-sessions/{session_id}/chat-messages', { params: { path: { session_id: session }, query: { order: 'newest', limit: EARLIER } } }),
  )
  return data
    .map((each) => ({ id: each.id, author: each.author_id, name: each.author_name, standing: known(each.standing), text: each.text, at: Date.parse(each.at) }))
    .reverse()
}

/** How the connection stands, while it does not. */
function Standing({ room }: { room: Room }) {
  const link = room.link.value
  return (
    <div class="standing" role="status">
      {link === 'connecting' || link === 'waiting' || link === 'full' ? (
        <p class="row"><LoaderCircle class="spin" aria-hidden />{chat[link]}</p>
      ) : link === 'gone' ? (
        <p>{chat.gone}</p>
      ) : null}
    </div>
  )
}

interface FootProps {
  room: Room
  stream: Stream
  moderates: boolean
}

/** Where one writes; or why one cannot, and what would help. */
function Foot({ room, stream, moderates }: FootProps) {
  const rules = useRules(stream.id).data
  const channel = useChannel(stream.channel.id).data
  const may = room.may.value
  const banned = Boolean(room.link.value !== 'gone' && me.value && rules?.enabled && may && !may.has('SEND_MESSAGE'))
  useEffect(() => {
    if (!banned) return
    const timer = setInterval(() => document.hidden || void room.look(), BANNED_MS)
    return () => clearInterval(timer)
  }, [room, banned])
  if (room.link.value === 'gone') return null
  if (me.value === null) {
    return <div class="foot-note"><a class="button" href={`/sign-in?next=${encodeURIComponent(here())}`}>{chat.signIn}</a></div>
  }
  if (rules && !rules.enabled) return <p class="foot-note row"><MessageSquareOff aria-hidden />{chat.off}</p>
  if (banned) return <p class="foot-note">{chat.banned}</p>
  if (rules?.followers_only && !moderates && channel && !channel.viewer?.subscribed) {
    return <div class="foot-note"><p>{chat.followers}</p><Subscribe channel={stream.channel} /></div>
  }
  return <Compose room={room} stream={stream} slow={moderates ? 0 : (rules?.slow_mode_s ?? 0)} />
}
