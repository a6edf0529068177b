/** The top of a channel's page: its pictures, name and counts, and what one can do about it. */
import { Clapperboard } from 'lucide-preact'
import type { Channel } from '../../api/client'
import { channel as text, common } from '../../text'
import { Avatar } from '../../ui/avatar'
import { Subscribe } from '../../ui/subscribe'

export function Head({ channel }: { channel: Channel }) {
  return (
    <header class="head">
      <div class="banner">{channel.banner_url && <img src={channel.banner_url} alt="" decoding="async" />}</div>
      <div class="who">
        <Avatar name={channel.name} url={channel.avatar_url} size="6rem" />
        <div class="grow names">
          <h1 class="person clip-2">{channel.name}</h1>
          <p class="soft small">
            <span class="person">@{channel.handle}</span> · {common.subscribers(channel.counts.subscribers)} · {text.videos(channel.counts.videos)}
          </p>
          {channel.description && <p class="soft small clip person only-wide">{channel.description}</p>}
        </div>
        <div class="row wrap does">
          {channel.viewer?.role && <a class="button" href="/studio"><Clapperboard aria-hidden />{text.manage}</a>}
          <Subscribe channel={channel} />
        </div>
      </div>
    </header>
  )
}

export function HeadBones() {
  return (
    <div class="head" role="status" aria-label={common.loading}>
      <div class="banner" />
      <div class="who" aria-hidden>
        <span class="avatar bone" ref={(each) => each?.style.setProperty('--size', '6rem')} />
        <div class="grow names"><p class="bone name">&nbsp;</p><p class="bone small">&nbsp;</p><p class="bone small only-wide">&nbsp;</p></div>
      </div>
    </div>
  )
}
