/** The search field of the bar. */
import { Search } from 'lucide-preact'
import { useLocation } from 'preact-iso'
import { shell } from '../text'
import { to } from './link'

export function SearchBox() {
  const { query, route } = useLocation()
  return (
    <form role="search" onSubmit={(event) => {
      event.preventDefault()
      const words = String(new FormData(event.currentTarget).get('q')).trim()
      if (words) route(to.search(words))
    }}>
      <input class="input" type="search" name="q" aria-label={shell.search} placeholder={shell.search} defaultValue={query.q ?? ''} />
      <button class="button icon" aria-label={shell.search}><Search aria-hidden /></button>
    </form>
  )
}
