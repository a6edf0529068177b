/** Who is asked before the page is left by going back or forth. Heard before the router does: main imports it first. */
export const leaving: { ask: ((wanted: string) => void) | null; own: string } = { ask: null, own: '' }

addEventListener('popstate', (event) => {
  if (!leaving.ask) return
  event.stopImmediatePropagation()
  const wanted = location.pathname + location.search
  history.pushState(null, '', leaving.own) // the address has changed by now
  leaving.ask(wanted)
})
