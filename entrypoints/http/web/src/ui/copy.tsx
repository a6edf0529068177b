/** Text to take away: in a field, with a button that copies it. */
import { Check, Copy } from 'lucide-preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { common } from '../text'
import { toast } from './overlay'

export function CopyField({ label, text, byHand }: { label: string; text: string; byHand: string }) {
  const id = useId()
  const field = useRef<HTMLInputElement>(null)
  const [done, setDone] = useState(false)
  useEffect(() => setDone(false), [text])
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      setDone(true)
    } catch {
      field.current?.select() // where the browser keeps the clipboard to itself
      toast(byHand)
    }
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="row">
        <input ref={field} id={id} readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
        <button class="button" type="button" onClick={() => void copy()}>{done ? <Check aria-hidden /> : <Copy aria-hidden />}{done ? common.copied : common.copy}</button>
      </div>
    </div>
  )
}
