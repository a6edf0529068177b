/** What stands in the place of a page of the studio where nothing can be done on it. */
import { Clapperboard, ShieldCheck } from 'lucide-preact'
import { channels, upload } from '../../text'
import { State } from '../../ui/page'
import { toOpen } from './mine'

/** There is no channel yet that a page could be about. */
export function NoChannel() {
  return (
    <State icon={<Clapperboard aria-hidden />} title={channels.none}>
      <p>{upload.needChannelWhy}</p>
      <a class="button accent" href={toOpen()}>{channels.open}</a>
    </State>
  )
}

/** Who only moderates a channel edits nothing of it. */
export function Moderating({ page = false }: { page?: boolean }) {
  return <State page={page} icon={<ShieldCheck aria-hidden />} title={channels.moderating}><p>{channels.moderatingWhy}</p></State>
}
