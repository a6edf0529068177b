/** The first script of the client and of the player for other sites, and a small one: what it leads to, the code of the
 * page and what the page shows come at the same time. */
import { begin } from './api/early'
import { KEPT, kept } from './kept'
import { fetchPage } from './pages'
import { early } from './text/early'

const theme = kept(KEPT.theme)
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme

function client(): Promise<unknown> {
  begin(location.pathname)
  if (location.pathname.startsWith('/embed/')) return import('./embed').then(({ show }) => show(document.getElementById('app') ?? document.body))
  fetchPage(location.pathname)
  return import('./main')
}

client().catch((error: unknown) => {
  const note = document.createElement('p')
  note.setAttribute('role', 'alert')
  note.textContent = early.failed
  document.getElementById('app')?.replaceChildren(note)
  throw error
})
