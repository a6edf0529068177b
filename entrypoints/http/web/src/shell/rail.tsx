/** Ways to the main pages and to the channels one follows: a rail, or a drawer where there is no room for one. */
import { Clapperboard, History, House, Users } from 'lucide-preact'
import { useRef, useState } from 'preact/hooks'
import { liveChannels, useFollowed, useLive } from '../api/channels'
import { me } from '../api/session'
import { shell } from '../text'
import { Avatar } from '../ui/avatar'
import { to } from '../ui/link'
import { useMedia } from '../ui/media'

export const DRAWER = 'drawer'
const SHOWN = 8

export function Ways({ path }: { path: string }) {
  const links = [
    { href: '/', label: shell.home, icon: House },
    { href: '/subscriptions', label: shell.subscriptions, icon: Users },
    { href: '/history', label: shell.history, icon: History },
    { href: '/studio', label: shell.studio, icon: Clapperboard },
  ]
  return (
    <>
      {links.map(({ href, label, icon: Icon }) => (
        <a key={href} href={href} aria-current={(href === '/' ? path === '/' : path.startsWith(href)) ? 'page' : undefined}>
          <Icon aria-hidden />
          <span>{label}</span>
        </a>
      ))}
    </>
  )
}

export function Rail({ path, hidden }: { path: string; hidden: boolean }) {
  const full = useMedia('(min-width: 70.01rem)')
  if (hidden) return null
  return (
    <nav class="rail" aria-label={shell.navigation}>
      <Ways path={path} />
      {full && <Channels path={path} />}
    </nav>
  )
}

export function Drawer({ path }: { path: string }) {
  const box = useRef<HTMLElement>(null)
  const [open, setOpen] = useState(false)
  return (
    <nav ref={box} id={DRAWER} popover="auto" class="drawer" aria-label={shell.menu}
      onBeforeToggle={(event) => setOpen((event as ToggleEvent).newState === 'open')}
      onToggle={(event) => (event as ToggleEvent).newState === 'open' && box.current?.querySelector('a')?.focus()}
      onClick={(event) => (event.target as Element).closest('a') && box.current?.hidePopover()}>
      {open && <Ways path={path} />}
      {open && <Channels path={path} />}
    </nav>
  )
}

/** Those that are live first, then those followed last. */
function Channels({ path }: { path: string }) {
  const { data } = useFollowed(Boolean(me.value))
  const live = liveChannels(useLive().data?.data)
  const channels = data?.data.map((each) => each.channel) ?? []
  if (!channels.length) return null
  const first = [...channels].sort((one, other) => Number(live.has(other.id)) - Number(live.has(one.id))).slice(0, SHOWN)
  return (
    <>
      <hr />
      <h2 class="heading">{shell.subscriptions}</h2>
      {first.map((each) => (
        <a key={each.id} href={to.channel(each)} aria-current={path === to.channel(each) ? 'page' : undefined}>
          <Avatar name={each.name} url={each.avatar_url} size="1.5rem" />
          <span class="person clip grow">{each.name}</span>
          {live.has(each.id) && <span class="dot"><span class="hush">{shell.isLive}</span></span>}
        </a>
      ))}
      {(channels.length > SHOWN || data?.next_cursor) && <a href="/subscriptions?view=channels" class="soft">{shell.allChannels}</a>}
    </>
  )
}
