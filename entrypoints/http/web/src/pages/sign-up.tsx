/** Signing up, in two steps: who one is, and the code that shows that the address is one's own. */
import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import { Problem, api, ask } from '../api/client'
import { account } from '../text'
import { Field, Submit, useAction } from '../ui/form'
import { next } from '../ui/link'
import { toast } from '../ui/overlay'
import { Wrong } from '../ui/page'
import { CodeField, Gate, signIn, useOnward } from './account/gate'

export default function SignUp() {
  const { query, route } = useLocation()
  const [password, setPassword] = useState<string | null>(null) // for signing in once the code is there
  useOnward()
  const waiting = query.confirm // in the address, where it outlives a reload
  const go = (path: string, given: Record<string, string>) => route(`${path}?${new URLSearchParams({ ...given, next: next(location.search) })}`, true)
  if (waiting === undefined) return <Details onSent={(email, typed) => { setPassword(typed); go('/sign-up', { confirm: email }) }} />
  const done = async () => {
    try {
      if (password === null) throw new Problem('wrong_credentials', '', 401)
      await signIn(waiting, password)
    } catch (error) {
      // Confirmed, but with the password that was chosen when the code was first asked for.
      if (!(error instanceof Problem && error.code === 'wrong_credentials')) throw error
      go('/sign-in', { confirmed: '', email: waiting })
    }
  }
  return <Code email={waiting} onConfirmed={done} onOther={() => go('/sign-up', {})} />
}

function Details({ onSent }: { onSent: (email: string, password: string) => void }) {
  const text = account.signUp
  const action = useAction(async (typed: FormData) => {
    const [email, password] = [String(typed.get('email')).trim(), String(typed.get('password'))]
    const body = { email, password, handle: String(typed.get('handle')), display_name: String(typed.get('display_name')) }
    try {
      await ask(api.POST('/v1/auth/sign-up', { body }))
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'confirmation_pending')) throw error
      // The code that was sent confirms the account. Its password is what was chosen then, so it is asked for again.
    }
    onSent(email, password)
  })
  const { fields } = action
  return (
    <Gate title={text.title}>
      <form class="form" onSubmit={(event) => {
        event.preventDefault()
        void action.run(new FormData(event.currentTarget))
      }}>
        <Wrong error={action.error} />
        <Field label={text.name} name="display_name" required maxLength={60} autoComplete="name" autoFocus hint={text.nameHint} error={fields.display_name} />
        <Field label={text.handle} name="handle" required maxLength={30} autoComplete="nickname" autoCapitalize="none" spellcheck={false} hint={text.handleHint} error={fields.handle} />
        <Field label={text.email} name="email" type="email" required autoComplete="username" hint={text.emailHint} error={fields.email} />
        <Field label={text.password} name="password" type="password" required minLength={8} autoComplete="new-password" hint={text.passwordHint} error={fields.password} />
        <Submit busy={action.busy}>{text.action}</Submit>
      </form>
      <p class="small">{text.have} <a href={`/sign-in${location.search}`}>{text.signIn}</a></p>
    </Gate>
  )
}

function Code({ email, onConfirmed, onOther }: { email: string; onConfirmed: () => unknown; onOther: () => void }) {
  const text = account.code
  const action = useAction(async (code: string) => {
    await ask(api.POST('/v1/auth/confirm', { body: { email, code } }))
    await onConfirmed()
  })
  const again = useAction(async () => {
    await ask(api.POST('/v1/auth/resend-code', { body: { email } }))
    toast(text.resent)
  })
  return (
    <Gate title={text.title}>
      <p>{text.sent(email)}</p>
      <form class="form" onSubmit={(event) => {
        event.preventDefault()
        void action.run(String(new FormData(event.currentTarget).get('code')).trim())
      }}>
        <Wrong error={action.error ?? again.error} />
        <CodeField email={email} error={action.fields.code} />
        <Submit busy={action.busy}>{text.action}</Submit>
      </form>
      <div class="row wrap">
        <button class="button small" type="button" disabled={again.busy} onClick={() => void again.run()}>{text.again}</button>
        <button class="button small bare" type="button" onClick={onOther}>{text.other}</button>
      </div>
    </Gate>
  )
}
