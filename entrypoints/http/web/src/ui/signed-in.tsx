/** Pages that are for somebody: they wait until it is known who that is, and lead to signing in where it is nobody. */
import { CircleUserRound } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import type { Me } from '../api/client'
import { me } from '../api/session'
import { common } from '../text'
import { here } from './link'
import { State } from './page'

export function SignedIn({ children }: { children: (person: Me) => ComponentChildren }) {
  if (me.value === undefined) return null
  if (me.value !== null) return <>{children(me.value)}</>
  return (
    <State icon={<CircleUserRound aria-hidden />} title={common.wrong.signInFirst}>
      <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`}>{common.signIn}</a>
    </State>
  )
}
