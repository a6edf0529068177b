/** Who is asked before the page is left by going back or forth, and the address of each. Heard before the router does: main
 * imports it first. */
export const leaving = new Map<(wanted: string) => void, string>()

addEventListener('popstate', (event) => {
  const [first] = leaving
  if (!first) return
  const [ask, own] = first
  event.stopImmediatePropagation()
  const wanted = location.pathname + location.search
  history.pushState(null, '', own) // the address has changed by now
  ask(wanted)
})
