/** The studio: where people make what others watch. Its pages stand beside a navigation of its own. */
import { ChartColumn, Clapperboard, LayoutDashboard, ListVideo, MessagesSquare, Radio, Upload } from 'lucide-preact'
import { ErrorBoundary, Route, Router, lazy, useLocation } from 'preact-iso'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { me } from '../api/session'
import { studio } from '../text'
import { Failure } from '../ui/page'
import { SignedIn } from '../ui/signed-in'
import { choose, useMine } from './studio/mine'
import './studio/studio.css'

const Dashboard = lazy(() => import('./studio/dashboard'))
const Channels = lazy(() => import('./studio/channels'))
const ChannelEdit = lazy(() => import('./studio/channel'))
const UploadPage = lazy(() => import('./studio/upload'))
const Videos = lazy(() => import('./studio/videos'))
const VideoEdit = lazy(() => import('./studio/video'))
const Comments = lazy(() => import('./studio/comments'))
const Analytics = lazy(() => import('./studio/analytics'))
const GoLive = lazy(() => import('./studio/live'))
const Missing = lazy(() => import('./missing'))

const LINKS = [
  { href: '/studio', label: studio.nav.dashboard, icon: LayoutDashboard },
  { href: '/studio/upload', label: studio.nav.upload, icon: Upload },
  { href: '/studio/videos', label: studio.nav.videos, icon: ListVideo },
  { href: '/studio/live', label: studio.nav.live, icon: Radio },
  { href: '/studio/comments', label: studio.nav.comments, icon: MessagesSquare },
  { href: '/studio/analytics', label: studio.nav.analytics, icon: ChartColumn },
  { href: '/studio/channels', label: studio.nav.channels, icon: Clapperboard },
]

export default function Studio() {
  const { path } = useLocation()
  const [error, setError] = useState<unknown>(null)
  const links = useRef<HTMLDivElement>(null)
  useEffect(() => {
    setError(null)
    const row = links.current
    const here = row?.querySelector<HTMLElement>('[aria-current]')
    if (row && here) row.scrollLeft = here.offsetLeft + here.offsetWidth / 2 - row.clientWidth / 2 // where the links are tabs in a row
  }, [path, me.value?.id])
  return (
    <SignedIn>
      {() => (
        <div class="studio">
          <nav class="studio-nav" aria-label={studio.navigation}>
            <Switch />
            <div class="studio-links" ref={links}>
              {LINKS.map(({ href, label, icon: Icon }) => (
                <a key={href} href={href} aria-current={(href === '/studio' ? path === href : path.startsWith(href)) ? 'page' : undefined}>
                  <Icon aria-hidden />
                  <span>{label}</span>
                </a>
              ))}
            </div>
          </nav>
          <div class="studio-main">
            {error ? (
              <Failure page error={error} retry={() => setError(null)} />
            ) : (
              <ErrorBoundary onError={setError}>
                <Router>
                  <Route path="/" component={Dashboard} />
                  <Route path="/upload" component={UploadPage} />
                  <Route path="/videos" component={Videos} />
                  <Route path="/videos/:id" component={VideoEdit} />
                  <Route path="/videos/:id/:tab" component={VideoEdit} />
                  <Route path="/live" component={GoLive} />
                  <Route path="/live/*" component={GoLive} />
                  <Route path="/comments" component={Comments} />
                  <Route path="/analytics" component={Analytics} />
                  <Route path="/channels" component={Channels} />
                  <Route path="/channels/:id" component={ChannelEdit} />
                  <Route default component={Missing} />
                </Router>
              </ErrorBoundary>
            )}
          </div>
        </div>
      )}
    </SignedIn>
  )
}

/** Which channel the studio is about, for who has several. */
function Switch() {
  const id = useId()
  const { channels, channel } = useMine()
  if (channels.length < 2 || !channel) return null
  return (
    <div class="studio-switch">
      <label for={id} class="tiny soft">{studio.channel}</label>
      <select id={id} class="input" value={channel.id} onChange={(event) => choose(event.currentTarget.value)}>
        {channels.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
      </select>
    </div>
  )
}
