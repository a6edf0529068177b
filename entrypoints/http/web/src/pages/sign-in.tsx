import { useLocation } from 'preact-iso'
import { Problem } from '../api/client'
import { account } from '../text'
import { Field, Submit, useAction } from '../ui/form'
import { next } from '../ui/link'
import { Wrong } from '../ui/page'
import { Gate, signIn, useOnward } from './account/gate'

export default function SignIn() {
  const { route, query } = useLocation()
  const text = account.signIn
  useOnward()
  const action = useAction(async (email: string, password: string) => {
    try {
      await signIn(email, password)
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'not_confirmed')) throw error
      route(`/sign-up?${new URLSearchParams({ confirm: email, next: next(location.search) })}`)
    }
  })
  return (
    <Gate title={text.title}>
      {query.confirmed !== undefined && <p class="notice ok" role="status">{text.confirmed}</p>}
      {query.changed !== undefined && <p class="notice ok" role="status">{text.again}</p>}
      <form class="form" onSubmit={(event) => {
        event.preventDefault()
        const typed = new FormData(event.currentTarget)
        void action.run(String(typed.get('email')), String(typed.get('password')))
      }}>
        <Wrong error={action.error} />
        <Field label={text.email} name="email" type="email" required autoComplete="username" autoFocus={!query.email} defaultValue={query.email} />
        <Field label={text.password} name="password" type="password" required autoComplete="current-password" autoFocus={Boolean(query.email)} />
        <Submit busy={action.busy}>{text.action}</Submit>
      </form>
      <p class="small"><a href="/forgot">{text.forgot}</a></p>
      <p class="small">{text.none} <a href={`/sign-up${location.search}`}>{text.signUp}</a></p>
    </Gate>
  )
}
