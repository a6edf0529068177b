import { Bell, CircleUserRound, LogOut, Menu as MenuIcon, MonitorCog, Moon, Radio, Search, Settings, Sun, Upload, Video } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useQuery } from '@tanstack/preact-query'
import { api, ask } from '../api/client'
import { me, session } from '../api/session'
import { common, shell } from '../text'
import { Avatar } from '../ui/avatar'
import { here } from '../ui/link'
import { Menu, attempt } from '../ui/overlay'
import { SearchBox } from '../ui/search'
import { choose, theme } from '../ui/theme'
import { DRAWER } from './rail'
import { Sending } from './sending'

export function Top() {
  return (
    <header class="top">
      <div class="starts">
        <button class="button bare icon opens" type="button" popovertarget={DRAWER} aria-label={shell.menu} title={shell.menu}><MenuIcon aria-hidden /></button>
        <a class="brand" href="/" aria-label={common.product}><Mark /><span>{common.product}</span></a>
      </div>
      <div class="find only-wide"><SearchBox /></div>
      <div class="ends">
        <a class="button bare icon only-narrow" href="/search" aria-label={shell.search}><Search aria-hidden /></a>
        <Sending />
        {me.value ? <Own name={me.value.display_name} /> : me.value === null ? <Strangers /> : null}
      </div>
    </header>
  )
}

const GATES = ['/sign-in', '/sign-up', '/forgot']

/** The same as the icon of the page, but here without asking for it. */
function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="hexagon" d="M16 1.5 28.6 8.75v14.5L16 30.5 3.4 23.25V8.75z" />
      <path class="play" d="M12.6 10.2v11.6L22.4 16z" />
    </svg>
  )
}

function Strangers() {
  const { path } = useLocation()
  const href = GATES.includes(path) ? `/sign-in${location.search}` : `/sign-in?next=${encodeURIComponent(here())}`
  return (
    <>
      <Menu label={shell.theme.label} icon={<MonitorCog aria-hidden />}><Themes /></Menu>
      <a class="button accent" href={href}>{common.signIn}</a>
    </>
  )
}

function Own({ name }: { name: string }) {
  return (
    <>
      <Menu label={shell.create} icon={<Video aria-hidden />}>
        <a href="/studio/upload"><Upload aria-hidden />{shell.upload}</a>
        <a href="/studio/live"><Radio aria-hidden />{shell.goLive}</a>
      </Menu>
      <Unread />
      <Menu label={shell.account} icon={<Avatar name={name} size="2rem" />}>
        <p class="person clip strong">{name}</p>
        <a href="/studio/channels"><CircleUserRound aria-hidden />{shell.yourChannel}</a>
        <a href="/account"><Settings aria-hidden />{shell.settings}</a>
        <hr />
        <Themes />
        <hr />
        <button type="button" onClick={() => void attempt(() => session.signOut())}><LogOut aria-hidden />{shell.signOut}</button>
      </Menu>
    </>
  )
}

function Themes() {
  return (
    <>
      <button type="button" aria-pressed={theme.value === 'system'} onClick={() => choose('system')}><MonitorCog aria-hidden />{shell.theme.system}</button>
      <button type="button" aria-pressed={theme.value === 'light'} onClick={() => choose('light')}><Sun aria-hidden />{shell.theme.light}</button>
      <button type="button" aria-pressed={theme.value === 'dark'} onClick={() => choose('dark')}><Moon aria-hidden />{shell.theme.dark}</button>
    </>
  )
}

function Unread() {
  const { data } = useQuery({ queryKey: ['notifications', 'unread'], queryFn: () => ask(api.GET('/v1/me/notifications/unread-count')) })
  const count = data?.count ?? 0
  return (
    <a class="button bare icon bell" href="/notifications" aria-label={shell.unread(count)} title={shell.notifications}>
      <Bell aria-hidden />
      {count > 0 && <span class="count" aria-hidden>{data?.capped || count > 99 ? '99+' : count}</span>}
    </a>
  )
}
