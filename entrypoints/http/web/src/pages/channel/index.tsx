/** /@handle: who a channel is and what it has, under tabs with addresses of their own. */
import { useRoute } from 'preact-iso'
import { useChannelNamed } from '../../api/channels'
import { channel as text } from '../../text'
import { Failure, useTitle } from '../../ui/page'
import Missing from '../missing'
import { About } from './about'
import './channel.css'
import { Head, HeadBones } from './head'
import { Streams } from './streams'
import { Videos } from './videos'

const TABS = { videos: Videos, live: Streams, about: About }
type Tab = keyof typeof TABS

export default function ChannelPage() {
  const { handle = '', tab = 'videos' } = useRoute().params
  if (!handle.startsWith('@') || !Object.hasOwn(TABS, tab)) return <Missing />
  return <Named key={handle} handle={handle.slice(1)} tab={tab as Tab} />
}

function Named({ handle, tab }: { handle: string; tab: Tab }) {
  const { data: channel, isError, error, refetch } = useChannelNamed(handle)
  useTitle(channel && (tab === 'videos' ? channel.name : `${channel.name}: ${text.tabs[tab]}`))
  if (isError && !channel) return <Failure page error={error} retry={refetch} />
  const Part = TABS[tab]
  return (
    <div class="page channel">
      {channel ? <Head channel={channel} /> : <HeadBones />}
      <nav class="tabs" aria-label={text.parts}>
        {(Object.keys(TABS) as Tab[]).map((each) => (
          <a key={each} href={each === 'videos' ? `/@${handle}` : `/@${handle}/${each}`} aria-current={each === tab ? 'page' : undefined}>{text.tabs[each]}</a>
        ))}
      </nav>
      <Part channel={channel} />
    </div>
  )
}
