/** Pages that are for somebody: they wait until it is known who that is, and lead to signing in where it is nobody. */
import { CircleUserRound } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import type { Me } from '../api/client'
import { me } from '../api/session'
import { common } from '../text'
import { here } from './link'
import { State } from './page'

interface Props {
  children: (person: Me) => ComponentChildren
  /** What stands there until it is known. */
  waiting?: ComponentChildren
  /** Of a page whose title is among what is for somebody. */
  title?: string
}

export function SignedIn({ children, waiting, title }: Props) {
  if (me.value === undefined) return <>{waiting}</>
  if (me.value !== null) return <>{children(me.value)}</>
  return (
    <>
      {title && <h1>{title}</h1>}
      <State icon={<CircleUserRound aria-hidden />} title={common.wrong.signInFirst}>
        <a class="button accent" href={`/sign-in?next=${encodeURIComponent(here())}`}>{common.signIn}</a>
      </State>
    </>
  )
}
