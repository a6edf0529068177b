/** The end of something that much goes with: asked for by typing its handle. */
import { useState } from 'preact/hooks'
import { common } from '../text'
import { Field, Form, useAction } from './form'
import { Dialog } from './overlay'

interface EndingProps {
  handle: string
  /** What the button says, and what the dialog is called. */
  title: string
  /** What goes with it. */
  why: string
  onEnd: () => Promise<void>
}

export function Ending({ handle, title, why, onEnd }: EndingProps) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <p class="soft">{why}</p>
      <div><button class="button danger" type="button" onClick={() => setOpen(true)}>{title}</button></div>
      <Dialog open={open} title={`${title}?`} asks={false} onClose={() => setOpen(false)}>
        <p>{why}</p>
        <Typed handle={handle} onEnd={onEnd} onClose={() => setOpen(false)} />
      </Dialog>
    </>
  )
}

/** Begins empty whenever it is opened. */
function Typed({ handle, onEnd, onClose }: Pick<EndingProps, 'handle' | 'onEnd'> & { onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const action = useAction(onEnd)
  return (
    <Form action={action}>
      <Field label={common.ending.type(handle)} value={typed} autoCapitalize="none" autoComplete="off" spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />
      <div class="actions">
        <button class="button" type="button" onClick={onClose}>{common.cancel}</button>
        <button class="button danger" type="submit" disabled={typed !== handle || action.busy}>{common.ending.confirm}</button>
      </div>
    </Form>
  )
}
