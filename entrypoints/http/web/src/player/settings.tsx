/** Quality, speed and captions: a menu of menus. */
import { Check, ChevronLeft, ChevronRight, Settings as Gear } from 'lucide-preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { player as text } from '../text'
import { SPEEDS, speed } from './actions'
import { useMedia, useParts } from './context'
import { LOOKS, SIZES, remember, remembered } from './remembered'

interface Choice {
  label: string
  chosen: boolean
  choose: () => void
}

interface Group {
  label: string
  value: string
  choices: readonly Choice[]
}

function useGroups(): readonly Group[] {
  const parts = useParts()
  const rate = useMedia((state) => state.playbackRate)
  const loop = useMedia((state) => state.loop)
  const { stream, tracks, player, live } = parts
  const [{ quality, captionSize, captionLook }, shown] = [remembered.value, stream.shown.value]
  const qualities = stream.renditions.value.map((each) => each.lines)
  const limit = quality === null ? undefined : qualities.find((each) => each <= quality) ?? qualities.at(-1)
  const captions = tracks.captions.value
  const groups: Group[] = []
  if (qualities.length > 1) {
    groups.push({
      label: text.quality,
      value: limit === undefined ? (shown ? text.autoNow(shown) : text.auto) : text.lines(limit),
      choices: [
        { label: text.auto, chosen: limit === undefined, choose: () => stream.choose(null) },
        ...qualities.map((each) => ({ label: text.lines(each), chosen: each === limit, choose: () => stream.choose(each) })),
      ],
    })
  }
  if (!live) {
    groups.push({
      label: text.speed,
      value: rate === 1 ? text.normal : text.times(rate),
      choices: SPEEDS.map((each) => ({ label: each === 1 ? text.normal : text.times(each), chosen: each === rate, choose: () => speed(parts, each) })),
    })
  }
  if (captions.length) {
    groups.push(
      {
        label: text.captions,
        value: captions.find((each) => each.language === tracks.shown.value)?.label ?? text.off,
        choices: [
          { label: text.off, chosen: tracks.shown.value === null, choose: () => tracks.choose(null) },
          ...captions.map((each) => ({ label: each.label, chosen: each.language === tracks.shown.value, choose: () => tracks.choose(each.language) })),
        ],
      },
      {
        label: text.captionSize,
        value: text.sizes[captionSize],
        choices: SIZES.map((each) => ({ label: text.sizes[each], chosen: each === captionSize, choose: () => remember({ captionSize: each }) })),
      },
      {
        label: text.captionLook,
        value: text.looks[captionLook],
        choices: LOOKS.map((each) => ({ label: text.looks[each], chosen: each === captionLook, choose: () => remember({ captionLook: each }) })),
      },
    )
  }
  if (!live) {
    groups.push({
      label: text.loop,
      value: loop ? text.on : text.off,
      choices: [
        { label: text.off, chosen: !loop, choose: () => { player.loop = false } },
        { label: text.on, chosen: loop, choose: () => { player.loop = true } },
      ],
    })
  }
  return groups
}

export function Settings() {
  const { player } = useParts()
  const id = useId()
  const opener = useRef<HTMLButtonElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState<string | null>(null)
  const groups = useGroups()
  const group = groups.find((each) => each.label === at)

  function place(): void {
    const [menu, box] = [list.current, opener.current?.getBoundingClientRect()]
    if (!menu || !box) return
    menu.style.setProperty('--right', `${Math.max(8, document.documentElement.clientWidth - box.right)}px`)
    menu.style.setProperty('--bottom', `${innerHeight - box.top + 12}px`)
    menu.style.setProperty('--most', `${Math.max(160, box.top - 24)}px`)
  }

  function toggled(now: boolean): void {
    setOpen(now)
    setAt(null)
    if (now) player.controls.pause()
    else if (!document.activeElement?.matches('.player .controls :focus-visible')) player.controls.resume()
  }

  // A menu that shows something else has its focus there.
  useEffect(() => {
    if (open) (list.current?.querySelector<HTMLElement>('[aria-checked=true]') ?? list.current?.querySelector<HTMLElement>('button'))?.focus()
  }, [open, at])

  function move(event: KeyboardEvent): void {
    if (event.key === 'ArrowLeft' && group) setAt(null)
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const all = [...(list.current?.querySelectorAll<HTMLElement>('button') ?? [])]
    all[(all.findIndex((each) => each === document.activeElement) + step + all.length) % all.length]?.focus()
  }

  return (
    <>
      <button ref={opener} type="button" class="control" aria-label={text.settings} title={text.settings} popovertarget={id} aria-haspopup="menu" aria-expanded={open}><Gear aria-hidden /></button>
      <div ref={list} id={id} popover="auto" class="choices" role="menu" aria-label={group?.label ?? text.settings} onKeyDown={move}
        onBeforeToggle={(event) => event.newState === 'open' && place()} onToggle={(event) => toggled(event.newState === 'open')}>
        {open && (group ? (
          <>
            <button type="button" role="menuitem" class="heading" aria-label={text.back(group.label)} onClick={() => setAt(null)}><ChevronLeft aria-hidden />{group.label}</button>
            {group.choices.map((each) => (
              <button key={each.label} type="button" role="menuitemradio" aria-checked={each.chosen} onClick={() => { each.choose(); list.current?.hidePopover() }}>
                <Check aria-hidden class={each.chosen ? '' : 'blank'} /><span class="person">{each.label}</span>
              </button>
            ))}
          </>
        ) : (
          groups.map((each) => (
            <button key={each.label} type="button" role="menuitem" aria-haspopup="menu" onClick={() => setAt(each.label)}>
              <span>{each.label}</span><span class="value person clip">{each.value}</span><ChevronRight aria-hidden />
            </button>
          ))
        ))}
      </div>
    </>
  )
}
