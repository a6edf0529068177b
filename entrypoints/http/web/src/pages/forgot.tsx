import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import { api, ask } from '../api/client'
import { me, session } from '../api/session'
import { account } from '../text'
import { Field, Submit, useAction } from '../ui/form'
import { Wrong } from '../ui/page'
import { CodeField, Gate } from './account/gate'

export default function Forgot() {
  const { route } = useLocation()
  const [sentTo, setSentTo] = useState<string | null>(null)
  const text = account.forgot
  const send = useAction(async (email: string) => {
    await ask(api.POST('/v1/auth/forgot-password', { body: { email } }))
    setSentTo(email)
  })
  const change = useAction(async (email: string, code: string, password: string) => {
    await ask(api.POST('/v1/auth/reset-password', { body: { email, code, password } }))
    if (me.value) await session.signOut()
    route(`/sign-in?changed&email=${encodeURIComponent(email)}`)
  })
  return (
    <Gate title={text.title}>
      {sentTo === null ? (
        <form class="form" onSubmit={(event) => {
          event.preventDefault()
          void send.run(String(new FormData(event.currentTarget).get('email')).trim())
        }}>
          <p class="soft">{text.about}</p>
          <Wrong error={send.error} />
          <Field label={account.signIn.email} name="email" type="email" required autoComplete="username" autoFocus defaultValue={me.value?.email} error={send.fields.email} />
          <Submit busy={send.busy}>{text.send}</Submit>
        </form>
      ) : (
        <form class="form" onSubmit={(event) => {
          event.preventDefault()
          const typed = new FormData(event.currentTarget)
          void change.run(sentTo, String(typed.get('code')).trim(), String(typed.get('password')))
        }}>
          <p>{account.code.resent}</p>
          <Wrong error={change.error} />
          <CodeField email={sentTo} error={change.fields.code} />
          <Field label={text.password} name="password" type="password" required minLength={8} autoComplete="new-password" hint={account.signUp.passwordHint} error={change.fields.password} />
          <Submit busy={change.busy}>{text.action}</Submit>
        </form>
      )}
      <p class="small"><a href="/sign-in">{text.back}</a></p>
    </Gate>
  )
}
