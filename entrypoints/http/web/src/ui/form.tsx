/** Fields with labels, hints and what the API says is wrong with them; and sending that keeps what was typed. */
import { Eye, EyeOff, LoaderCircle } from 'lucide-preact'
import type { ComponentChildren, JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { Problem } from '../api/client'
import { common } from '../text'
import { Wrong, sentence } from './page'

interface FieldProps extends Omit<JSX.IntrinsicElements['input'], 'size'> {
  label: string
  hint?: string
  error?: string | undefined
  area?: boolean
}

export function Field({ label, hint, error, area, ...input }: FieldProps) {
  const id = useId()
  const described = [hint && `${id}-hint`, error && `${id}-wrong`].filter(Boolean).join(' ') || undefined
  const shared = { id, 'aria-describedby': described, 'aria-invalid': error ? (true as const) : undefined }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {area ? <textarea {...(input as JSX.IntrinsicElements['textarea'])} {...shared} /> : input.type === 'password' ? <Secret {...input} {...shared} /> : <input {...input} {...shared} />}
      {hint && <span class="hint" id={`${id}-hint`}>{hint}</span>}
      {error && <span class="wrong" id={`${id}-wrong`}>{sentence(error)}</span>}
    </div>
  )
}

/** A password, which one may look at. */
function Secret(input: JSX.IntrinsicElements['input']) {
  const [shown, setShown] = useState(false)
  return (
    <div class="secret">
      <input {...input} type={shown ? 'text' : 'password'} autoCapitalize="none" spellcheck={false} />
      <button class="button icon bare" type="button" aria-pressed={shown} title={common.showPassword} onClick={() => setShown(!shown)}>
        {shown ? <EyeOff aria-hidden /> : <Eye aria-hidden />}<span class="hush">{common.showPassword}</span>
      </button>
    </div>
  )
}

/** Sends what its fields hold; what is against that stands above them. */
export function Form({ action, children }: { action: { run: () => Promise<unknown>; error: unknown }; children: ComponentChildren }) {
  return (
    <form class="form" onSubmit={(event) => {
      event.preventDefault()
      void action.run()
    }}>
      <Wrong error={action.error} />
      {children}
    </form>
  )
}

export function Submit({ busy, children, disabled }: { busy: boolean; children: ComponentChildren; disabled?: boolean }) {
  return (
    <button class="button accent" type="submit" disabled={busy || disabled}>
      {busy && <LoaderCircle class="spin" aria-hidden />}
      {children}
    </button>
  )
}

/** Runs one action at a time and holds what it failed with. */
export function useAction<A extends readonly unknown[]>(act: (...given: A) => Promise<unknown>) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  async function run(...given: A): Promise<boolean> {
    setBusy(true)
    setError(null)
    try {
      await act(...given)
      return true
    } catch (failure) {
      setError(failure)
      return false
    } finally {
      setBusy(false)
    }
  }
  const fields: Readonly<Record<string, string>> = error instanceof Problem ? error.fields : {}
  return { run, busy, error, fields, clear: () => setError(null) }
}

/** As a field for local times has it. */
export function localTime(when: Date): string {
  return new Date(when.getTime() - when.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
