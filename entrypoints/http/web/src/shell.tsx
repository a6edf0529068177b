/** What stands around every page: the bar with search and bell, the rail, and on a phone the tabs at the foot. */
import { Bell, CircleUserRound, Clapperboard, History, House, LogOut, MonitorCog, Moon, Radio, Search, Settings, Sun, Upload, Users, Video } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useLocation } from 'preact-iso'
import { useQuery } from '@tanstack/preact-query'
import { api, ask } from './api/client'
import { me, session } from './api/session'
import { common, shell, uploading } from './text'
import { Avatar } from './ui/avatar'
import { here } from './ui/link'
import { Menu, Toasts, attempt } from './ui/overlay'
import { SearchBox } from './ui/search'
import { choose, theme } from './ui/theme'
import { transfers } from './uploads/state'

export function Shell({ children }: { children: ComponentChildren }) {
  const { path } = useLocation()
  const wide = path.startsWith('/watch/') || path.startsWith('/live/') || /^\/studio(\/|$)/.test(path)
  return (
    <div class={wide ? 'shell wide' : 'shell'}>
      <a class="button accent skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus() }}>{shell.skip}</a>
      <Top />
      <nav class="rail" aria-label={shell.navigation}><Links path={path} /></nav>
      <main class="main" id="main" tabIndex={-1}>{children}</main>
      <nav class="foot" aria-label={shell.navigation}><Links path={path} /></nav>
      <Toasts />
    </div>
  )
}

function Links({ path }: { path: string }) {
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

function Top() {
  return (
    <header class="top">
      <a class="brand" href="/" aria-label={common.product}><img src="/favicon.svg" alt="" width="28" height="28" /><span>{common.product}</span></a>
      <div class="find only-wide"><SearchBox /></div>
      <div class="ends">
        <a class="button bare icon only-narrow" href="/search" aria-label={shell.search}><Search aria-hidden /></a>
        <Sending />
        {me.value ? <Own name={me.value.display_name} /> : me.value === null ? <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`}>{common.signIn}</a> : null}
        {me.value === null && <Menu label={shell.theme.label} icon={<MonitorCog aria-hidden />}><Themes /></Menu>}
      </div>
    </header>
  )
}

function Own({ name }: { name: string }) {
  return (
    <>
      <Menu label={shell.create} class="button icon" icon={<Video aria-hidden />}>
        <a href="/studio/upload"><Upload aria-hidden />{shell.upload}</a>
        <a href="/studio/live"><Radio aria-hidden />{shell.goLive}</a>
      </Menu>
      <Unread />
      <Menu label={shell.account} icon={<Avatar name={name} size="2rem" />}>
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

/** Uploads that go on while one is elsewhere. */
function Sending() {
  const open = transfers.value.filter((each) => !['sent', 'cancelled'].includes(each.state.value.phase))
  if (!open.length) return null
  const [size, sent] = open.reduce(([whole, part], { kept, state }) => [whole + kept.size, part + state.value.sent], [0, 0])
  const percent = Math.floor((100 * sent) / size)
  return (
    <a class="button small" href="/studio/upload" aria-label={open.some((each) => each.busy) ? uploading.indicator(open.length, percent) : uploading.indicatorWaiting(open.length)}>
      <Upload aria-hidden />
      <span class="percent">{percent} %</span>
    </a>
  )
}
