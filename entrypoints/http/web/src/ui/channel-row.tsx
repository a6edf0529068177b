import type { Channel } from '../api/client'
import { common } from '../text'
import { Avatar } from './avatar'
import { to } from './link'
import { Subscribe } from './subscribe'

/** A channel in a list, with what one can do about it. */
export function ChannelRow({ channel, live = false, large = false }: { channel: Channel; live?: boolean; large?: boolean }) {
  return (
    <article class={large ? 'channel-row large' : 'channel-row'}>
      <a href={to.channel(channel)} tabIndex={-1} aria-hidden><Avatar name={channel.name} url={channel.avatar_url} size={large ? '5rem' : '3.5rem'} /></a>
      <div class="grow">
        <h3><a href={to.channel(channel)} class="person clip">{channel.name}</a></h3>
        <p class="soft small clip">{live && <span class="tag live">{common.live}</span>} <span class="person">@{channel.handle}</span> · {common.subscribers(channel.counts.subscribers)}</p>
        {large && channel.description && <p class="soft small clip-2 person only-wide">{channel.description.slice(0, 240)}</p>}
      </div>
      <Subscribe channel={channel} />
    </article>
  )
}
