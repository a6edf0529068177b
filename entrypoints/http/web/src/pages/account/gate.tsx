/** What the pages before signing in share: their frame, and the code that was sent by mail. */
import { useQuery } from '@tanstack/preact-query'
import type { ComponentChildren } from 'preact'
import { useLocation } from 'preact-iso'
import { useEffect, useState } from 'preact/hooks'
import { api, ask, problemOf, type Schemas } from '../../api/client'
import { me, session, unsure } from '../../api/session'
import { account } from '../../text'
import { Field } from '../../ui/form'
import { next } from '../../ui/link'
import { useTitle } from '../../ui/page'
import './gate.css'

export function Gate({ title, children }: { title: string; children: ComponentChildren }) {
  useTitle(title)
  return (
    <div class="gate">
      <div class="box">
        <img class="sign" src="/favicon.svg" alt="" width="48" height="48" />
        <h1>{title}</h1>
        {children}
      </div>
    </div>
  )
}

/** Signed in, now or before: on to where one wanted to go, in the place of this page. */
export function useOnward(): void {
  const { route } = useLocation()
  const someone = Boolean(me.value) || (unsure.value && session.holds)
  useEffect(() => {
    if (someone) route(next(location.search), true)
  }, [someone])
}

/** Throws Problem. */
export async function signIn(email: string, password: string): Promise<void> {
  const answer = await session.signIn(email, password)
  if (!answer.ok) throw problemOf(await answer.json().catch(() => null), answer.status)
}

/** The field for the code that went to `email`, and the mail itself where it is kept on this machine. */
export function CodeField({ email, error }: { email: string; error?: string | undefined }) {
  const [mail, setMail] = useState<Schemas['MailView'] | null>()
  const meta = useQuery({ queryKey: ['meta'], queryFn: () => ask(api.GET('/v1/meta')), staleTime: Infinity })
  const text = account.code
  async function look(): Promise<void> {
    const found = await ask(api.GET('/v1/dev/mailbox', { params: { query: { to: email } } })).catch(() => null)
    setMail(found?.data[0] ?? null)
  }
  return (
    <>
      <div class="code">
        <Field label={text.label} name="code" required autoComplete="one-time-code" inputMode="numeric" autoFocus error={error}
          onInput={({ currentTarget: field }) => { if (/\s/.test(field.value)) field.value = field.value.replace(/\s/g, '') }} />
      </div>
      {meta.data?.features.includes('dev_mailbox') && (
        <div class="panel stack">
          <p class="small soft">{text.mailboxHint}</p>
          {mail === undefined ? (
            <button class="button small line" type="button" onClick={() => void look()}>{text.mailbox}</button>
          ) : (
            <p class="mail" role="status">{mail ? `${mail.subject}\n${mail.text}` : text.noMail}</p>
          )}
        </div>
      )}
    </>
  )
}
