/** What lies over a page: menus, dialogs, toasts. On the platform's popover and dialog, which see to focus and Escape. */
import { signal } from '@preact/signals'
import { Bell, CircleAlert, CircleCheck, X } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { common } from '../text'
import { said } from './page'

interface MenuProps {
  label: string
  icon: ComponentChildren
  class?: string
  tabIndex?: number
  children: ComponentChildren
}

/** A button that shows links and buttons; choosing one closes it. */
export function Menu({ label, icon, class: look = 'button bare icon', tabIndex, children }: MenuProps) {
  const id = useId()
  const opener = useRef<HTMLButtonElement>(null)
  const list = useRef<HTMLDivElement>(null)
  function place(): void {
    const [menu, box] = [list.current!, opener.current!.getBoundingClientRect()]
    const { offsetWidth: width, offsetHeight: height } = menu
    const below = box.bottom + 6 + height <= innerHeight
    menu.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - height - 6)}px`
    menu.style.left = `${Math.max(8, Math.min(box.right - width, innerWidth - width - 8))}px`
    menu.querySelector<HTMLElement>('a, button')?.focus()
  }
  function move(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const all = [...list.current!.querySelectorAll<HTMLElement>('a, button')]
    all[(all.indexOf(document.activeElement as HTMLElement) + step + all.length) % all.length]?.focus()
  }
  return (
    <>
      <button ref={opener} class={look} type="button" aria-label={label} title={label} tabIndex={tabIndex} popovertarget={id} aria-haspopup="true">{icon}</button>
      <div ref={list} id={id} popover="auto" class="menu" onKeyDown={move}
        onToggle={(event) => (event as ToggleEvent).newState === 'open' && place()}
        onClick={(event) => (event.target as Element).closest('a, button') && list.current!.hidePopover()}>
        {children}
      </div>
    </>
  )
}

interface DialogProps {
  open: boolean
  title: string
  onClose: () => void
  /** Whether leaving loses something once there was typed. */
  asks?: boolean
  children: ComponentChildren
}

/** Closed by its button, by Escape, by what a phone goes back with, and by a click beside it. What was typed into a form of it is
 * not lost without a question. */
export function Dialog({ open, title, onClose, asks = true, children }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null)
  const typed = useRef(false)
  const pressed = useRef(false)
  const [asked, setAsked] = useState<boolean | null>(null)
  const id = useId()
  useLayoutEffect(() => {
    typed.current = false
    if (open && !box.current!.open) box.current!.showModal()
    if (!open && box.current!.open) box.current!.close()
  }, [open])
  function leave(): void {
    if (typed.current) setAsked(true)
    else box.current!.close()
  }
  function stay(event: Event): void {
    if (!typed.current) return
    event.preventDefault()
    setAsked(true)
  }
  function beside({ target, clientX: x, clientY: y }: MouseEvent): boolean {
    const { left, right, top, bottom } = box.current!.getBoundingClientRect()
    return target === box.current && (x < left || x > right || y < top || y > bottom)
  }
  return (
    <>
      <dialog ref={box} class="dialog" aria-labelledby={id}
        onInput={(event) => { typed.current ||= asks && (event.target as Element).closest('form') !== null }}
        onPointerDown={(event) => { pressed.current = beside(event) }}
        onClick={(event) => pressed.current && beside(event) && leave()}
        onKeyDown={(event) => event.key === 'Escape' && !event.isComposing && stay(event)}
        onCancel={(event) => event.target === box.current && stay(event)} // a file that was not chosen is heard here, too
        onClose={() => {
          if (!open || box.current!.open) return // the page knows; it may have been opened again before this was told
          if (!typed.current) return onClose()
          box.current!.showModal() // going back twice is not asked about by the browser
          setAsked(true)
        }}>
        {open && (
          <>
            <div class="stack">
              <h2 id={id}>{title}</h2>
              {children}
            </div>
            <button class="button bare icon close" type="button" aria-label={common.close} title={common.close} onClick={leave}><X aria-hidden /></button>
          </>
        )}
      </dialog>
      {asked !== null && (
        <Confirm open={asked} title={common.leave.title} action={common.leave.leave} cancel={common.leave.stay} onClose={() => setAsked(false)}
          onConfirm={() => {
            typed.current = false
            box.current!.close()
          }}>
          <p>{common.leave.why}</p>
        </Confirm>
      )}
    </>
  )
}

interface ConfirmProps extends Omit<DialogProps, 'children'> {
  children?: ComponentChildren
  action: string
  cancel: string
  onConfirm: () => unknown
}

/** Asks before what cannot be taken back. */
export function Confirm({ action, cancel, onConfirm, children, ...dialog }: ConfirmProps) {
  return (
    <Dialog {...dialog}>
      {children}
      <div class="actions">
        <button class="button" type="button" onClick={dialog.onClose}>{cancel}</button>
        <button class="button danger" type="button" onClick={() => { dialog.onClose(); void onConfirm() }}>{action}</button>
      </div>
    </Dialog>
  )
}

interface Toast {
  text: string
  wrong: boolean
  href: string | undefined
}

const toasts = signal<readonly (Toast & { key: number })[]>([])
const SHOWN_MS = 6_000
let count = 0

export function toast(text: string, wrong = false, href?: string): void {
  const key = ++count
  toasts.value = [...toasts.value, { key, text, wrong, href }]
  setTimeout(() => {
    toasts.value = toasts.value.filter((each) => each.key !== key)
  }, SHOWN_MS)
}

/** Runs what a click asked for, and says so if it failed. Answers whether it worked. */
export async function attempt(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act()
    return true
  } catch (error) {
    toast(said(error), true)
    return false
  }
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((each) => (
        <div key={each.key} class={`notice ${each.wrong ? 'wrong' : 'ok'}`}>
          {each.wrong ? <CircleAlert aria-hidden /> : each.href ? <Bell aria-hidden /> : <CircleCheck aria-hidden />}
          {each.href ? <a href={each.href} class="person clip-2">{each.text}</a> : <span class="person">{each.text}</span>}
        </div>
      ))}
    </div>
  )
}
