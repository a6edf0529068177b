/** Everything about one video, in tabs: details, captions, chapters, its file, how it does. */
import { Play } from 'lucide-preact'
import { may, useChannel } from '../../api/channels'
import type { Video } from '../../api/client'
import { useOwnVideo } from '../../api/processing'
import { common, content, studio, videoEdit as text } from '../../text'
import { to } from '../../ui/link'
import { Failure, useTitle } from '../../ui/page'
import Missing from '../missing'
import { VideoPlot } from './analytics'
import { Captions } from './captions'
import { Chapters } from './chapters'
import { Details } from './details'
import { ForEditors } from './none'
import { Processing } from './progress'
import { Source } from './source'
import { Thumbnail } from './thumbnail'
import { Thumb, VisibilityBadge } from './videos'

const TABS = ['details', 'captions', 'chapters', 'file', 'analytics'] as const
type Tab = (typeof TABS)[number]

export default function VideoEdit({ params }: { params?: Record<string, string> }) {
  const { id = '', tab = 'details' } = params ?? {}
  const shown = TABS.find((each) => each === tab)
  return shown ? <Edit id={id} tab={shown} /> : <Missing />
}

function Edit({ id, tab }: { id: string; tab: Tab }) {
  const { data: video, error, refetch } = useOwnVideo(id, true)
  const { data: channel, error: unknown, refetch: again } = useChannel(video?.channel.id)
  useTitle(video ? `${video.title}: ${text.tabs[tab]}` : content.title)
  return (
    <div class="page middle">
      <a class="small back" href="/studio/videos">← {studio.nav.videos}</a>
      {video && channel && !may(channel, 'edit') ? (
        <ForEditors page channel={channel}><a class="button" href={to.watch(video)}><Play aria-hidden />{text.watch}</a></ForEditors>
      ) : video && channel ? (
        <>
          <Head video={video} />
          <nav class="tabs" aria-label={video.title}>
            {TABS.map((each) => <a key={each} href={`/studio/videos/${id}${each === 'details' ? '' : `/${each}`}`} aria-current={each === tab ? 'page' : undefined}>{text.tabs[each]}</a>)}
          </nav>
          <Part key={`${id} ${tab}`} video={video} tab={tab} />
        </>
      ) : error || unknown ? (
        <Failure page error={error ?? unknown} retry={error ? refetch : again} />
      ) : (
        <div class="stack" role="status" aria-label={common.loading}><div class="bone row-bone" /><div class="bone form-bone" /></div>
      )}
    </div>
  )
}

function Head({ video }: { video: Video }) {
  return (
    <div class="row video-head">
      <Thumb video={video} />
      <div class="stack tight grow">
        <h1 class="clip-2 person">{video.title}</h1>
        <div class="row wrap"><VisibilityBadge video={video} /></div>
      </div>
      <a class="button" href={to.watch(video)}><Play aria-hidden />{text.watch}</a>
    </div>
  )
}

function Part({ video, tab }: { video: Video; tab: Tab }) {
  if (tab === 'captions') return <Captions video={video} />
  if (tab === 'chapters') return <Chapters video={video} />
  if (tab === 'file') return <Source video={video} />
  if (tab === 'analytics') return <VideoPlot id={video.id} />
  return (
    <div class="beside">
      <div class="panel"><Details video={video} /></div>
      <div class="stack">
        {video.blocked !== null && <div class="notice wrong"><span>{text.blocked(video.blocked)}</span></div>}
        <section class="panel stack"><h2>{text.thumbnail}</h2><Thumbnail video={video} /></section>
        {video.processing.state !== 'ready' && <section class="panel"><Processing video={video} /></section>}
      </div>
    </div>
  )
}
