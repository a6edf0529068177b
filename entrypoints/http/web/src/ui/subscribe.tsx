/** Following a channel: a button, and once one does, a menu with what to be told of it. */
import { BellOff, BellRing, ChevronDown, Radio, UserRoundX } from 'lucide-preact'
import { useEffect, useRef } from 'preact/hooks'
import { type Notify, follow, useChannel } from '../api/channels'
import type { Channel } from '../api/client'
import { me } from '../api/session'
import { subscribe } from '../text'
import { here } from './link'
import { Menu, attempt } from './overlay'

const ICONS = { all: BellRing, live: Radio, none: BellOff }
const LEVELS: readonly Notify[] = ['all', 'live', 'none']

/** Nothing for the channel's owner, who cannot. Needs no more of the channel than videos and streams say of theirs. */
export function Subscribe({ channel }: { channel: Pick<Channel, 'id' | 'name'> }) {
  const { data, isPending } = useChannel(channel.id)
  const box = useRef<HTMLDivElement>(null)
  const clicked = useRef(false)
  const notify = data?.viewer?.subscribed ? (data.viewer.notify ?? 'all') : null
  useEffect(() => {
    if (clicked.current) box.current?.querySelector('button')?.focus() // the one that was clicked is gone
    clicked.current = false
  }, [notify === null])
  if (data?.viewer?.role === 'owner') return null
  async function change(level: Notify | null): Promise<void> {
    clicked.current = (level === null) !== (notify === null)
    await attempt(() => follow(channel.id, level))
  }
  return (
    <div class="subscribe" ref={box}>
      {me.value === null ? (
        <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`} aria-label={subscribe.to(channel.name)}>{subscribe.subscribe}</a>
      ) : isPending ? (
        <span class="button bone" aria-hidden />
      ) : notify === null ? (
        <button class="button accent" type="button" aria-label={subscribe.to(channel.name)} onClick={() => void change('all')}>{subscribe.subscribe}</button>
      ) : (
        <Followed name={channel.name} notify={notify} change={change} />
      )}
    </div>
  )
}

function Followed({ name, notify, change }: { name: string; notify: Notify; change: (level: Notify | null) => Promise<void> }) {
  const Level = ICONS[notify]
  return (
    <Menu label={subscribe.subscribedTo(name)} class="button" icon={<><Level aria-hidden /><span class="word">{subscribe.subscribed}</span><ChevronDown aria-hidden /></>}>
      {LEVELS.map((level) => {
        const Icon = ICONS[level]
        return <button key={level} type="button" aria-pressed={level === notify} onClick={() => void change(level)}><Icon aria-hidden />{subscribe.levels[level]}</button>
      })}
      <hr />
      <button type="button" onClick={() => void change(null)}><UserRoundX aria-hidden />{subscribe.unsubscribe}</button>
    </Menu>
  )
}
