/** The clipboard, also where the page is not served over TLS and browsers keep theirs to themselves. */
import { common } from '../text'
import { toast } from './overlay'

export async function copy(text: string): Promise<void> {
  const done = (await written(text)) || selected(text)
  toast(done ? common.copied : common.notCopied, !done)
}

async function written(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false // there is none here, or it is not allowed
  }
}

function selected(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'hush'
  field.ariaHidden = 'true'
  const host = document.querySelector('dialog[open]') ?? document.body // what is behind a dialog cannot be selected
  host.append(field)
  const focused = document.activeElement
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  if (focused instanceof HTMLElement) focused.focus()
  return done
}
