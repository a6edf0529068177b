/** The first script, and a small one: the client, the code of the page and what the page shows come at the same time. */
import { begin } from './api/early'
import { KEPT } from './kept'
import { fetchPage } from './pages'
import { early } from './text/early'

const theme = localStorage.getItem(KEPT.theme)
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme

begin(location.pathname)
fetchPage(location.pathname)
import('./main').catch((error: unknown) => {
  const note = document.createElement('p')
  note.setAttribute('role', 'alert')
  note.textContent = early.failed
  document.getElementById('app')?.replaceChildren(note)
  throw error
})
