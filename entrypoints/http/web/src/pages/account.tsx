/** One's own account: profile, what one is told about, appearance, and leaving. */
import { useQuery } from '@tanstack/preact-query'
import { useLocation } from 'preact-iso'
import { Problem, api, ask, type Me } from '../api/client'
import { queries } from '../api/queries'
import { me, session } from '../api/session'
import { account, at, common, shell } from '../text'
import { Ending } from '../ui/ending'
import { Field, Submit, useAction } from '../ui/form'
import { attempt, toast } from '../ui/overlay'
import { Failure, Wrong, useTitle } from '../ui/page'
import { SignedIn } from '../ui/signed-in'
import { choose, theme, type Theme } from '../ui/theme'

const text = account.settings

export default function Account() {
  useTitle(text.title)
  return (
    <div class="page narrow">
      <h1>{text.title}</h1>
      <SignedIn headed>{(person) => (
        <div class="stack loose">
          <Profile person={person} />
          <Told />
          <Appearance />
          <Leaving person={person} />
        </div>
      )}</SignedIn>
    </div>
  )
}

function Profile({ person }: { person: Me }) {
  const action = useAction(async (typed: FormData) => {
    const body = { handle: String(typed.get('handle')), display_name: String(typed.get('display_name')) }
    try {
      me.value = await ask(api.PATCH('/v1/me', { body, headers: { 'if-match': `"${person.version}"` } }))
    } catch (error) {
      if (!(error instanceof Problem && error.status === 412)) throw error
      await session.know()
      if (me.peek()?.version === person.version) throw error
      throw new Problem(error.code, text.stale, error.status)
    }
    toast(common.saved)
  })
  return (
    <section class="stack">
      <h2>{text.profile}</h2>
      <form class="form panel" onSubmit={(event) => {
        event.preventDefault()
        void action.run(new FormData(event.currentTarget))
      }}>
        <Wrong error={action.error} />
        <Field label={text.name} name="display_name" required maxLength={60} autoComplete="name" defaultValue={person.display_name} error={action.fields.display_name} />
        <Field label={text.handle} name="handle" required maxLength={30} autoCapitalize="none" spellcheck={false} defaultValue={person.handle} hint={account.signUp.handleHint} error={action.fields.handle} />
        <div class="field">
          <span class="label">{text.email}</span>
          <span class="person">{person.email}</span>
          <span class="hint">{text.emailWhy} {text.since(at(person.created_at))}</span>
        </div>
        <div><Submit busy={action.busy}>{common.save}</Submit></div>
      </form>
    </section>
  )
}

function Told() {
  const key = ['notification-settings']
  const { data, error, refetch } = useQuery({ queryKey: key, queryFn: () => ask(api.GET('/v1/me/notification-settings')) })
  const wishes = data as Record<string, boolean> | undefined
  async function wish(kind: string, wanted: boolean): Promise<void> {
    queries.setQueryData(key, { ...wishes, [kind]: wanted })
    const worked = await attempt(() => ask(api.PUT('/v1/me/notification-settings', { body: { [kind]: wanted } })))
    if (worked) toast(common.saved)
    else queries.setQueryData(key, { ...wishes })
  }
  return (
    <section class="stack">
      <h2>{text.notifications}</h2>
      {error ? <Failure error={error} retry={refetch} /> : (
        <div class="panel">
          {Object.keys(wishes ?? text.kinds).map((kind) => (
            <label class="check" key={kind}>
              <input type="checkbox" checked={wishes?.[kind] ?? false} disabled={!wishes} onChange={(event) => void wish(kind, event.currentTarget.checked)} />
              {text.kinds[kind] ?? kind}
            </label>
          ))}
        </div>
      )}
    </section>
  )
}

const themes: readonly Theme[] = ['system', 'light', 'dark']

function Appearance() {
  return (
    <section class="stack">
      <h2>{text.appearance}</h2>
      <fieldset class="panel row wrap plain">
        <legend class="hush">{shell.theme.label}</legend>
        {themes.map((each) => (
          <label class="check" key={each}>
            <input type="radio" name="theme" checked={theme.value === each} onChange={() => choose(each)} />
            {shell.theme[each]}
          </label>
        ))}
      </fieldset>
    </section>
  )
}

function Leaving({ person }: { person: Me }) {
  const { route } = useLocation()
  async function end(): Promise<void> {
    await ask(api.DELETE('/v1/me'))
    await session.signOut()
    toast(text.closed)
    route('/')
  }
  return (
    <>
      <section class="stack">
        <h2>{text.security}</h2>
        <div class="panel row wrap">
          <a class="button line" href="/forgot">{text.password}</a>
          <button class="button line" type="button" onClick={() => void attempt(() => session.signOut())}>{text.signOut}</button>
        </div>
      </section>
      <section class="stack">
        <h2>{text.close}</h2>
        <div class="panel stack"><Ending handle={person.handle} title={text.close} why={text.closeAbout} onEnd={end} /></div>
      </section>
    </>
  )
}
