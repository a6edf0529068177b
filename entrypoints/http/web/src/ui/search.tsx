/** The search field: with what was searched for before, and with what is found as one types (a combobox of WAI-ARIA). */
import { Clock, Film, Search } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { search as text } from '../text'
import { Avatar } from './avatar'
import { type Suggestion, useSuggestions } from './suggestions'
import { forgetSearches, remember } from './searches'
import { to } from './link'

export function SearchBox({ autofocus = false }: { autofocus?: boolean }) {
  const { path, query, route } = useLocation()
  const [words, setWords] = useState(query.q ?? '')
  const [open, setOpen] = useState(false)
  const [place, setPlace] = useState(-1)
  const input = useRef<HTMLInputElement>(null)
  const list = useId()
  const all = useSuggestions(words.trim(), open)
  const shown = open && all.length > 0
  const chosen = shown ? all[place] : undefined

  useEffect(() => {
    if (path === '/search') setWords(query.q ?? '')
  }, [path, query.q])
  useEffect(() => setPlace(-1), [words, open])
  useSlash(input)

  function close(): void {
    setOpen(false)
    setPlace(-1)
  }

  function go(suggestion: Suggestion | undefined): void {
    const wanted = suggestion ? suggestion.words : words.trim()
    if (!suggestion?.href && !wanted) return
    close()
    if (suggestion?.href) return route(suggestion.href)
    remember(wanted)
    setWords(wanted)
    route(to.search(wanted))
  }

  function press(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      if (shown) setPlace((place + step + 1 + all.length + 1) % (all.length + 1) - 1) // from the last to the field itself
      else setOpen(true)
    } else if (event.key === 'Escape' && open) {
      event.preventDefault()
      close()
    }
  }

  return (
    <form class="search" role="search" onSubmit={(event) => { event.preventDefault(); go(chosen) }}
      onFocusOut={(event) => event.currentTarget.contains(event.relatedTarget as Node | null) || close()}>
      <input ref={input} class="input" type="search" name="q" maxLength={200} value={words} placeholder={text.search} autoFocus={autofocus}
        autoComplete="off" autoCapitalize="none" spellcheck={false} enterkeyhint="search"
        role="combobox" aria-label={text.search} aria-autocomplete="list" aria-expanded={shown} aria-controls={list} aria-activedescendant={chosen && `${list}-${place}`}
        onInput={(event) => { setWords(event.currentTarget.value); setOpen(true) }}
        onFocus={() => setOpen(true)} onClick={() => setOpen(true)} onKeyDown={press} />
      <button class="button" type="submit" aria-label={text.search} title={text.search}><Search aria-hidden /></button>
      <div class="found" hidden={!shown}>
        <ul id={list} role="listbox" aria-label={text.suggestions}>
          {shown && all.map((each, index) => (
            <li key={each.key} id={`${list}-${index}`} role="option" aria-selected={index === place}
              onPointerDown={(event) => event.preventDefault()} onPointerMove={() => index === place || setPlace(index)} onClick={() => go(each)}>
              <Mark of={each} />
              <span class="person clip grow">{each.words}</span>
              {each.beside && <span class="person clip soft small">{each.beside}</span>}
            </li>
          ))}
        </ul>
        {shown && !words.trim() && <button type="button" class="forget" onClick={() => { forgetSearches(); input.current?.focus() }}>{text.forget}</button>}
      </div>
      <span class="hush" role="status">{shown ? text.count(all.length) : ''}</span>
    </form>
  )
}

function Mark({ of }: { of: Suggestion }) {
  if (of.kind === 'before') return <Clock aria-hidden />
  if (of.kind === 'video') return <Film aria-hidden />
  return <Avatar name={of.words} url={of.picture} size="1.5rem" />
}

/** `/` leads to the field, from wherever nothing is typed. */
function useSlash(input: { current: HTMLInputElement | null }): void {
  useEffect(() => {
    function press(event: KeyboardEvent): void {
      const field = input.current
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !field?.offsetParent) return
      if (event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]')) return
      event.preventDefault()
      field.select()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [input])
}
