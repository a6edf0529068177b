/** What stands around every page: the bar with search and bell, the rail, and on a phone the tabs at the foot. */
import type { ComponentChildren } from 'preact'
import { useLocation } from 'preact-iso'
import { useLayoutEffect } from 'preact/hooks'
import { shell } from '../text'
import { moved } from '../travel'
import { Toasts } from '../ui/overlay'
import { News } from './news'
import { Unreachable } from './reach'
import { Drawer, Rail, Ways } from './rail'
import { Top } from './top'

export function Shell({ children }: { children: ComponentChildren }) {
  const { path, url } = useLocation()
  useLayoutEffect(moved, [url])
  const wide = path.startsWith('/watch/') || path.startsWith('/live/') || /^\/studio(\/|$)/.test(path) // pages with a column of their own there
  return (
    <div class={wide ? 'shell wide' : 'shell'}>
      <a class="button accent skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus() }}>{shell.skip}</a>
      <Top />
      <Drawer path={path} />
      <Rail path={path} hidden={wide} />
      <main class="main" id="main" tabIndex={-1}>
        <Unreachable />
        {children}
      </main>
      <nav class="foot" aria-label={shell.navigation}><Ways path={path} /></nav>
      <Toasts />
      <News />
    </div>
  )
}
