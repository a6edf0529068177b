import type { Video } from '../../api/client'
import { FIRST } from '../../api/early'
import { home } from '../../text'

const MOST = 14

/** What the latest videos are about, the commonest first. */
export function Topics({ videos, chosen }: { videos: readonly Video[]; chosen: string | undefined }) {
  const counts = new Map<string, number>()
  for (const tag of videos.slice(0, FIRST.latest.limit).flatMap((each) => each.tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1)
  const topics = [...counts].sort((one, other) => other[1] - one[1]).slice(0, MOST).map(([tag]) => tag)
  if (chosen && !topics.includes(chosen)) topics.unshift(chosen)
  if (!topics.length) return null
  return (
    <nav class="chips" aria-label={home.topics}>
      <a class="chip" href="/" aria-current={chosen ? undefined : 'true'}>{home.everything}</a>
      {topics.map((each) => (
        <a class="chip" key={each} href={`/?tag=${encodeURIComponent(each)}`} aria-current={each === chosen ? 'true' : undefined}><span class="person clip">{each}</span></a>
      ))}
    </nav>
  )
}
