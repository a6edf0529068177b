import { Rss } from 'lucide-preact'
import type { Channel } from '../../api/client'
import { channel as text, common, day, exact } from '../../text'
import { Rich } from '../../ui/rich'

export function About({ channel }: { channel: Channel | undefined }) {
  if (!channel) return <div class="facts" role="status" aria-label={common.loading}><p class="bone">&nbsp;</p><p class="bone">&nbsp;</p></div>
  return (
    <div class="facts">
      <section class="stack">
        <h2>{text.description}</h2>
        {channel.description ? <p class="prose"><Rich text={channel.description} /></p> : <p class="soft">{text.noDescription}</p>}
      </section>
      <section class="stack">
        <h2>{text.facts}</h2>
        <dl>
          <dt>{text.since}</dt><dd><time dateTime={channel.created_at}>{day(channel.created_at)}</time></dd>
          <dt>{text.subscribers}</dt><dd>{exact(channel.counts.subscribers)}</dd>
          <dt>{text.tabs.videos}</dt><dd>{exact(channel.counts.videos)}</dd>
        </dl>
        <a class="button line" href={`/v1/feeds/channels/${channel.id}.atom`}><Rss aria-hidden />{text.feed}</a>
      </section>
    </div>
  )
}
