/** What was said while a broadcast went on, beside its recording, as it comes to it. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { type Schemas, api, ask } from '../../api/client'
import { useListing } from '../../api/queries'
import { known, type Line } from '../../chat/lines'
import { Row, useNewest } from '../../chat/messages'
import '../../chat/chat.css'
import type { MediaPlayerElement } from '../../player/player'
import { common, watch as text } from '../../text'
import { said } from '../../ui/page'

type Message = Schemas['MessageView']

const AHEAD_S = 60
const SHOWN = 200

export default function Replay({ session, player }: { session: string; player: MediaPlayerElement | null }) {
  const second = useSecond(player)
  const list = useListing<Message>(['chat', 'replay', session], (cursor) => ask(api.GET('/v1/stream-sessions/{session_id}/chat-messages', {
    params: { path: { session_id: session }, query: { order: 'oldest', limit: 100, cursor } },
  })))
  const lines = useMemo(() => list.items.map((each) => ({ offset: each.offset_s, line: lineOf(each) })), [list.data])
  const upTo = lines.findLastIndex((each) => each.offset <= second) + 1
  const shown = useMemo(() => lines.slice(Math.max(0, upTo - SHOWN), upTo).map((each) => each.line), [lines, upTo])
  const { box, list: rows } = useNewest(shown)
  const loaded = lines.at(-1)?.offset ?? -1
  useEffect(() => {
    if (list.hasNextPage && !list.isFetchingNextPage && !list.isError && loaded < second + AHEAD_S) void list.fetchNextPage()
  }, [second, loaded, list.hasNextPage, list.isFetchingNextPage])
  return (
    <section class="chat replay" aria-label={text.replay}>
      <header class="row"><h2>{text.replay}</h2></header>
      <div class="messages">
        <div class="log" ref={box} role="log" aria-live="off" aria-label={text.replay} tabIndex={0}>
          {list.isError ? <p class="none">{said(list.error)} <button class="button small" type="button" onClick={() => void list.refetch()}>{common.retry}</button></p>
            : !list.isPending && shown.length === 0 && <p class="none">{lines.length ? text.replayEmpty : text.replayNone}</p>}
          <ol ref={rows}>{shown.map((line) => <Row key={line.id} line={line} own={false} last={false} remove={null} ban={null} />)}</ol>
        </div>
      </div>
    </section>
  )
}

function lineOf({ id, author_id, author_name, standing, text: words, at }: Message): Line {
  return { id, author: author_id, name: author_name, standing: known(standing), text: words, at: new Date(at).getTime() }
}

function useSecond(player: MediaPlayerElement | null): number {
  const [second, setSecond] = useState(0)
  useEffect(() => player?.subscribe(({ currentTime }) => setSecond(Math.floor(currentTime))), [player])
  return second
}
