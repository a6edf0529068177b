import { Clapperboard } from 'lucide-preact'
import { channels, upload } from '../../text'
import { State } from '../../ui/page'
import { toOpen } from './mine'

/** Where there is no channel yet that a page could be about. */
export function NoChannel() {
  return (
    <State icon={<Clapperboard aria-hidden />} title={channels.none}>
      <p>{upload.needChannelWhy}</p>
      <a class="button accent" href={toOpen()}>{channels.open}</a>
    </State>
  )
}
