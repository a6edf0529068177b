/** Pages that are for somebody: they wait until it is known who that is, and lead to signing in where it is nobody. */
import { CircleUserRound } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import type { Me } from '../api/client'
import { me, session, unsure } from '../api/session'
import { common } from '../text'
import { here } from './link'
import { Failure, State } from './page'

interface SignedInProps {
  /** Whether the page shows its heading in any case. */
  headed?: boolean
  /** What stands there until it is known who it is. */
  waiting?: ComponentChildren
  children: (person: Me) => ComponentChildren
}

export function SignedIn({ headed = false, waiting, children }: SignedInProps) {
  if (me.value === undefined && unsure.value) return <Failure page={!headed} error={null} retry={session.know} />
  if (me.value === undefined) return <>{waiting}</>
  if (me.value !== null) return <>{children(me.value)}</>
  return (
    <State page={!headed} icon={<CircleUserRound aria-hidden />} title={common.wrong.signInFirst}>
      <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`}>{common.signIn}</a>
    </State>
  )
}
