import './ui/leaving'
import { effect } from '@preact/signals'
import { QueryClientProvider } from '@tanstack/preact-query'
import { render } from 'preact'
import { LocationProvider } from 'preact-iso'
import { lookAhead } from './ahead'
import { listen } from './api/events'
import { queries } from './api/queries'
import { unanswered, whenBack } from './api/reach'
import { me, session } from './api/session'
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
/** Who is there; asked again once a server that did not answer does. */
function know(): void {
  session.load().catch((error: unknown) => error instanceof TypeError && unanswered())
}
know()
whenBack(() => me.peek() === undefined && know())

/** Pages, not what the API answers. */
const OURS = /^(?!\/(v1|media|schema)(\/|$))/

let hearing: AbortController | null = null
let person: string | null | undefined
effect(() => {
  const now = me.value?.id ?? (me.value === null ? null : undefined)
  if (now === person) return
  if (person !== undefined) queries.clear() // what one person was shown is not for the next
  if (person) forgetSearches()
  person = now
  hearing?.abort()
  hearing = now ? new AbortController() : null
  if (hearing) listen(hearing.signal)
  if (now && hint.there) void import('./uploads').then((uploads) => uploads.restore(now))
})

render(
  <QueryClientProvider client={queries}>
    <LocationProvider scope={OURS}>
      <Shell><Pages /></Shell>
    </LocationProvider>
  </QueryClientProvider>,
  document.getElementById('app')!,
)
