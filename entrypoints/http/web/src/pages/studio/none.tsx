/** What stands in the place of a page of the studio where nothing can be done on it. */
import { Clapperboard, Lock } from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import type { Channel } from '../../api/client'
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

/** What a channel's owner and editors do, for whoever else comes by: its moderators, and strangers. */
export function ForEditors({ channel, page = false, children }: { channel: Channel; page?: boolean; children?: ComponentChildren }) {
  const moderates = Boolean(channel.viewer?.role)
  return (
    <State page={page} icon={<Lock aria-hidden />} title={moderates ? channels.moderating : channels.foreign}>
      <p>{moderates ? channels.moderatingWhy : channels.foreignWhy}</p>
      {children}
    </State>
  )
}
