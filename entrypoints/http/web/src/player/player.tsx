/** The player, of the watch page, the live page and other people's pages: vidstack over hls.js, with controls of our own. */
import { CircleAlert, LoaderCircle, Play, VolumeX } from 'lucide-preact'
import type { ComponentChildren, Ref } from 'preact'
import { useEffect, useImperativeHandle, useMemo, useRef, useState } from 'preact/hooks'
import type Hls from 'hls.js'
import type { HLSProvider } from 'vidstack'
import { player as text } from '../text'
import { seek, told, togglePaused } from './actions'
import { PlayerContext, useMedia, useParts, type Parts } from './context'
import { Controls } from './controls'
import { type MediaPlayerElement } from './elements'
import { Help } from './help'
import { press } from './keys'
import { Link, type Grant } from './link'
import { remember, remembered } from './remembered'
import { Stream, library } from './stream'
import { Tracks, type Caption, type Chapter } from './tracks'
import './player.css'

export type { Caption, Chapter, Grant, MediaPlayerElement }

/** What a page does with its player. */
export interface PlayerHandle {
  readonly element: MediaPlayerElement
  readonly time: number
  seek: (seconds: number) => void
}

export interface PlayerProps {
  title: string
  /** Where to play from; none while that is not known. What it is first is played, another needs another `key`. */
  grant: Grant | undefined
  /** Another link to the same, before this one runs out. */
  renew?: () => Promise<Grant>
  poster?: string | null
  storyboard?: string | null
  captions?: readonly Caption[]
  chapters?: readonly Chapter[]
  live?: boolean
  /** How many seconds a live picture is to be behind the newest that can be had. */
  behind?: number
  startAt?: number
  autoplay?: boolean
  /** Where a page has a theatre mode: whether it is on, and what changes it. */
  theatre?: boolean
  onTheatre?: (on: boolean) => void
  /** Once, with the player, to follow what it does; what is returned ends it. */
  onPlayer?: (player: MediaPlayerElement) => (() => void) | void
  /** When playing failed for good. What is returned as true is dealt with by the page. */
  onFailure?: () => boolean
  /** Over the picture. */
  children?: ComponentChildren
  /** Over the picture once it has ended. */
  end?: ComponentChildren
  handle?: Ref<PlayerHandle>
}

const NO_CHAPTERS: readonly Chapter[] = []
const NO_CAPTIONS: readonly Caption[] = []

export function Player(props: PlayerProps) {
  const [attempt, setAttempt] = useState<{ number: number; at?: number }>({ number: 0 })
  return <Sitting key={attempt.number} {...props} startAt={attempt.at ?? props.startAt} again={(at) => setAttempt({ number: attempt.number + 1, at })} />
}

/** Until playing fails for good: then it begins anew where it was. */
function Sitting({ again, ...props }: PlayerProps & { again: (at: number) => void }) {
  const { title, grant, renew, poster, storyboard, live = false, behind = 3, startAt = 0, autoplay = true, theatre, onTheatre } = props
  const [player, setPlayer] = useState<MediaPlayerElement | null>(null)
  const [stream, setStream] = useState<Stream | null>(null)
  const [silenced, setSilenced] = useState(false)
  const [failed, setFailed] = useState(false)
  const [help, setHelp] = useState(false)
  const tracks = useMemo(() => new Tracks(), [])
  const [captions, chapters] = [props.captions ?? NO_CAPTIONS, props.chapters ?? NO_CHAPTERS]
  const fresh = useRef(props)
  fresh.current = props

  useEffect(() => {
    if (!player) return
    player.title = title
    player.ariaLabel = text.region(title)
    player.artwork = poster ? [{ src: poster }] : []
  }, [player, title, poster])

  useEffect(() => tracks.offer(captions), [captions])

  useEffect(() => {
    if (!player) return
    return player.subscribe(({ duration }) => {
      if (!live) tracks.mark(player, chapters, duration)
    })
  }, [player, chapters])

  useEffect(() => (player ? fresh.current.onPlayer?.(player) ?? undefined : undefined), [player])

  useEffect(() => {
    if (!player || !grant) return
    const link = new Link(grant, renew && (() => fresh.current.renew?.() ?? Promise.reject(new Error('it cannot be renewed'))))
    const flow = new Stream(link)
    const heard = new AbortController()
    const on = (type: string, act: (detail: unknown) => void) => {
      player.addEventListener(type as 'error', (event) => act(event.detail), { signal: heard.signal })
    }
    on('provider-change', (provider) => {
      if (!isHls(provider)) return
      player.canPlayQueue.enqueue('currentTime', () => undefined) // in the place of 0, which would undo where hls.js begins
      provider.library = () => library
      provider.config = flow.config(startAt, live ? behind : null)
      provider.onInstance((hls) => {
        flow.attach(hls)
        if (live) seekable(player, hls)
      })
    })
    on('provider-setup', (provider) => {
      const { video } = provider as { video?: HTMLVideoElement }
      if (video) tracks.attach(video)
      if (!isHls(provider) && startAt > 0) player.currentTime = startAt // the browser plays HLS by itself
    })
    on('auto-play-fail', (detail) => {
      if (player.muted || (detail as { error?: Error }).error?.name !== 'NotAllowedError') return
      setSilenced(true)
      player.muted = true
      void player.play().catch(() => setSilenced(false))
    })
    on('volume-change', (detail) => {
      const now = detail as { volume: number; muted: boolean }
      if (!now.muted && now.volume > 0) remember({ volume: now.volume })
      if (!now.muted) setSilenced(false)
    })
    if (live) player.addEventListener('media-seek-request', undone, { signal: heard.signal, capture: true })
    on('error', () => setFailed(!fresh.current.onFailure?.()))
    setStream(flow)
    player.src = { src: link.first, type: 'application/x-mpegurl' }
    player.startLoading()
    return () => {
      heard.abort()
      link.close()
    }
  }, [player, Boolean(grant)])

  useEffect(() => {
    if (!failed || !player) return
    const retry = () => again(player.currentTime)
    addEventListener('online', retry)
    return () => removeEventListener('online', retry)
  }, [failed])

  const parts = useMemo<Parts | null>(() => player && {
    player,
    stream: stream ?? new Stream(new Link({ url: '' })),
    tracks,
    live,
    theatre,
    toggleTheatre: onTheatre && (() => fresh.current.onTheatre?.(!fresh.current.theatre)),
    help: () => setHelp(true),
  }, [player, stream, theatre, Boolean(onTheatre)])

  useEffect(() => {
    if (!parts) return
    const pressed = (event: KeyboardEvent) => press(parts, event)
    // Before vidstack, which takes the first key after its controls went for itself.
    document.addEventListener('keydown', pressed, true)
    return () => document.removeEventListener('keydown', pressed, true)
  }, [parts])

  useImperativeHandle(props.handle ?? null, () => ({
    get element() {
      if (!player) throw new Error('there is no player yet')
      return player
    },
    get time() {
      return player?.currentTime ?? startAt
    },
    seek: (seconds) => {
      if (!player) return
      seek({ player }, seconds)
      if (player.paused) player.remoteControl.play()
    },
  }), [player])

  const { captionSize, captionLook } = remembered.value
  return (
    <media-player ref={(element) => { if (element && element !== player) setPlayer(set(element, { live, autoplay })) }}
      class="player on-picture" data-cue-size={captionSize} data-cue-look={captionLook} data-failed={failed || undefined}>
      <media-provider />
      {poster && <Poster url={poster} parts={parts} />}
      {parts && (
        <PlayerContext.Provider value={parts}>
          <Gestures />
          <Busy waits={!grant} failed={failed} />
          <Told />
          {props.children}
          {failed ? <Failed again={() => again(player?.currentTime ?? startAt)} /> : (
            <>
              {silenced && <Silenced />}
              {props.end && <End>{props.end}</End>}
              <Controls storyboard={storyboard} />
            </>
          )}
        </PlayerContext.Provider>
      )}
      <Help open={help} theatre={Boolean(onTheatre)} onClose={() => setHelp(false)} />
    </media-player>
  )
}

/**
 * What is listed can be seen; vidstack, which listens first, would have all of it lie before the point where one watches.
 * And it does not go elsewhere by itself whenever playing begins: hls.js knows where to.
 */
function seekable(player: MediaPlayerElement, hls: Hls): void {
  player.$state.userBehindLiveEdge.set(true)
  const { Events } = hls.constructor as typeof Hls
  hls.once(Events.MANIFEST_LOADING, () => {
    hls.on(Events.LEVEL_UPDATED, () => player.$state.inferredLiveDVRWindow.set(0))
  })
}

/** Where play begins at the newest vidstack takes that for the end, and would begin at the start. */
function undone(event: Event): void {
  if (!(event as Event & { trigger?: Event }).trigger) event.stopImmediatePropagation()
}

function isHls(provider: unknown): provider is HLSProvider {
  return (provider as { type?: string } | null)?.type === 'hls'
}

function set(player: MediaPlayerElement, { live, autoplay }: { live: boolean; autoplay: boolean }): MediaPlayerElement {
  player.load = 'custom'
  player.keyDisabled = true // ours are in keys.ts
  player.viewType = 'video'
  player.streamType = live ? 'live:dvr' : 'on-demand'
  player.minLiveDVRWindow = 0 // all that is there can be seen
  player.liveEdgeTolerance = 2.5
  player.artwork = [] // else the page's own address is asked for a picture
  player.playsInline = true
  player.autoPlay = autoplay
  player.volume = remembered.value.volume
  player.muted = remembered.value.muted
  player.playbackRate = live ? 1 : remembered.value.speed
  return player
}

function Poster({ url, parts }: { url: string; parts: Parts | null }) {
  const [seen, setSeen] = useState(false)
  useEffect(() => parts?.player.subscribe(({ started }) => setSeen(started)), [parts?.player])
  return seen ? null : <img class="poster" src={url} alt="" fetchpriority="high" />
}

/** Press: pause or play. Twice: full screen. On a touch screen: show the controls; twice at a side: jump. */
function Gestures() {
  return (
    <>
      <media-gesture class="gesture fine" event="pointerup" action="toggle:paused" />
      <media-gesture class="gesture fine" event="dblpointerup" action="toggle:fullscreen" />
      <media-gesture class="gesture coarse" event="pointerup" action="toggle:controls" />
      <media-gesture class="gesture coarse left" event="dblpointerup" action="seek:-10" />
      <media-gesture class="gesture coarse right" event="dblpointerup" action="seek:10" />
    </>
  )
}

/** In the middle: that it waits, or the way to begin. */
function Busy({ waits, failed }: { waits: boolean; failed: boolean }) {
  const parts = useParts()
  const [ready, paused, started] = [useMedia((state) => state.canPlay), useMedia((state) => state.paused), useMedia((state) => state.started)]
  const stalled = useMedia((state) => state.waiting || (!state.paused && !state.started))
  if (failed) return null
  if (ready && paused && !started) {
    return <button type="button" class="big" aria-label={text.play} onClick={() => togglePaused(parts)}><Play aria-hidden /></button>
  }
  if (!waits && ready && !stalled) return null
  return <div class="busy" role="status" aria-label={text.waiting}><LoaderCircle class="spin" aria-hidden /></div>
}

/** What a key did, for a moment. */
function Told() {
  const [words, setWords] = useState('')
  const now = told.value
  useEffect(() => {
    if (!now) return
    setWords(now.text)
    const timer = setTimeout(() => setWords(''), 700)
    return () => clearTimeout(timer)
  }, [now])
  return <div class="told" role="status">{words && <span>{words}</span>}</div>
}

function Silenced() {
  const { player } = useParts()
  return (
    <button type="button" class="silenced" title={text.muted} onClick={() => { player.muted = false; remember({ muted: false }) }}>
      <VolumeX aria-hidden />{text.unmute}
    </button>
  )
}

function End({ children }: { children: ComponentChildren }) {
  return useMedia((state) => state.ended) ? <div class="end">{children}</div> : null
}

function Failed({ again }: { again: () => void }) {
  return (
    <div class="failed" role="alert">
      <CircleAlert aria-hidden />
      <p class="strong">{text.failedTitle}</p>
      <p class="small">{text.failed}</p>
      <button type="button" class="button" onClick={again}>{text.again}</button>
    </div>
  )
}
