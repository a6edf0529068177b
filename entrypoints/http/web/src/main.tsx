import './ui/leaving'
import { effect, signal } from '@preact/signals'
import { QueryClientProvider } from '@tanstack/preact-query'
import { render } from 'preact'
import { LocationProvider } from 'preact-iso'
import { lookAhead } from './ahead'
import { listen } from './api/events'
import { queries } from './api/queries'
import { me, session, unsure, whenOut } from './api/session'
import { Pages } from './routes'
import { Shell } from './shell'
import { travel } from './travel'
import './styles/tokens.css'
import './styles/base.css'
import './styles/ui.css'
import './styles/shell.css'
import { forgetSearches } from './ui/searches'
import { hint } from './uploads/state'

travel()
lookAhead()
void session.know()
whenOut(() => {
  afresh()
  if (hint.there) void import('./uploads').then((uploads) => uploads.forgetFiles())
})

const gone = signal(0)

/** Pages, not what the API answers. */
const OURS = /^(?!\/(v1|media|schema)(\/|$))/

let hearing: AbortController | null = null
/** Undefined until somebody, or nobody, is known to be there. */
let person: string | null | undefined
/** Who was there last. */
let last: string | undefined
effect(() => {
  const now = me.value === null ? null : me.value?.id
  if (now === undefined || now === person) return
  if (person) {
    queries.removeQueries({ type: 'inactive' })
    forgetSearches()
  }
  if (now && last && now !== last) afresh() // what one person was shown is not for the next
  else if (person === null || unsure.peek()) void queries.invalidateQueries() // nobody may have been shown less
  person = now
  last = now ?? last
  hearing?.abort()
  hearing = now ? new AbortController() : null
  if (hearing) listen(hearing.signal)
  if (now && hint.there) void import('./uploads').then((uploads) => uploads.restore(now))
})

/** Pages begin anew when somebody signs out. Where a session just ran out, what was typed stays. */
function afresh(): void {
  queries.clear()
  gone.value = gone.peek() + 1
}

function Everyones() {
  return <Pages key={gone.value} />
}

render(
  <QueryClientProvider client={queries}>
    <LocationProvider scope={OURS}>
      <Shell><Everyones /></Shell>
    </LocationProvider>
  </QueryClientProvider>,
  document.getElementById('app')!,
)
