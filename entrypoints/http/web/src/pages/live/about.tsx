/** What is said of a stream under its picture, and below the chat where that stands under it. */
import { Copy, MonitorCog, Share2, UsersRound } from 'lucide-preact'
import { useState } from 'preact/hooks'
import { useChannel } from '../../api/channels'
import type { Stream } from '../../api/client'
import { ago, at, common, compact, live } from '../../text'
import { Avatar } from '../../ui/avatar'
import { copy } from '../../ui/copy'
import { to } from '../../ui/link'
import { Dialog } from '../../ui/overlay'
import { Rich } from '../../ui/rich'
import { Subscribe } from '../../ui/subscribe'

const SHORT = 200

export function About({ stream }: { stream: Stream }) {
  const { data: channel } = useChannel(stream.channel.id)
  return (
    <div class="about-live">
      <h1 class="person clip-2">{stream.title}</h1>
      <div class="row wrap apart">
        <div class="row of-channel">
          <a href={to.channel(stream.channel)} tabIndex={-1} aria-hidden><Avatar name={stream.channel.name} url={stream.channel.avatar_url} size="2.75rem" /></a>
          <div class="names">
            <a class="strong clip person" href={to.channel(stream.channel)}>{stream.channel.name}</a>
            <span class="small soft">{channel ? common.subscribers(channel.counts.subscribers) : ' '}</span>
          </div>
          <Subscribe channel={stream.channel} />
        </div>
        <div class="row wrap">
          {stream.status === 'live' && <Audience stream={stream} />}
          {channel?.viewer?.role && <a class="button" href={`/studio/live/${stream.id}`}><MonitorCog aria-hidden />{live.control}</a>}
          <Share stream={stream} />
        </div>
      </div>
    </div>
  )
}

export function Description({ text }: { text: string }) {
  const [whole, setWhole] = useState(false)
  const long = text.length > SHORT || text.split('\n').length > 3
  return (
    <section class="panel stack" aria-label={live.description}>
      <p class={whole || !long ? 'prose' : 'prose short'}><Rich text={text} /></p>
      {long && <button type="button" class="link" aria-expanded={whole} onClick={() => setWhole(!whole)}>{whole ? live.less : live.whole}</button>}
    </section>
  )
}

function Audience({ stream }: { stream: Stream }) {
  return (
    <p class="row audience">
      <span class="tag live">{common.live}</span>
      <span class="row" title={live.viewers}><UsersRound aria-hidden /><span class="hush">{live.viewers}: </span>{compact(stream.viewer_count)}</span>
      {stream.live_since && <time class="soft" dateTime={stream.live_since} title={live.since(at(stream.live_since))}>{common.started(ago(stream.live_since))}</time>}
    </p>
  )
}

function Share({ stream }: { stream: Stream }) {
  const [open, setOpen] = useState(false)
  const address = location.origin + to.live(stream)
  return (
    <>
      <button class="button" type="button" onClick={() => setOpen(true)}><Share2 aria-hidden />{live.share}</button>
      <Dialog open={open} title={live.shareTitle} onClose={() => setOpen(false)}>
        <div class="row">
          <input class="input" readOnly aria-label={live.link} value={address} onFocus={(event) => event.currentTarget.select()} />
          <button class="button accent" type="button" aria-label={live.copyLink} onClick={() => void copy(address)}><Copy aria-hidden />{common.copy}</button>
        </div>
      </Dialog>
    </>
  )
}
