/** The player, of the watch page, the live page and other people's pages: vidstack over hls.js, with controls of our own. */
import type { ComponentChildren, Ref } from 'preact'
import { useEffect, useImperativeHandle, useMemo, useRef, useState } from 'preact/hooks'
import type Hls from 'hls.js'
import type { HLSProvider } from 'vidstack'
import { reachable, unanswered } from '../api/reach'
import { player as text } from '../text'
import { seek } from './actions'
import { PlayerContext, type Parts } from './context'
import { Controls } from './controls'
import { type MediaPlayerElement } from './elements'
import { Help } from './help'
import { press } from './keys'
import { Link, type Grant } from './link'
import { Busy, End, Failed, Gestures, Poster, Silenced, Told } from './over'
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
  /** Of those who broadcast: nobody watches. */
  preview?: boolean
  startAt?: number
  /** Whether somebody pressed a button for it: then it plays for who wants nothing to move by itself, too. */
  asked?: boolean
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

const SHOWN_MS = 3_500
const NEARLY_S = 0.01
const NO_CHAPTERS: readonly Chapter[] = []
const NO_CAPTIONS: readonly Caption[] = []

export function Player(props: PlayerProps) {
  const [attempt, setAttempt] = useState<{ number: number; at?: number }>({ number: 0 })
  return <Sitting key={attempt.number} {...props} startAt={attempt.at ?? props.startAt} again={(at) => setAttempt({ number: attempt.number + 1, at })} />
}

/** Until playing fails for good: then it begins anew where it was. */
function Sitting({ again, ...props }: PlayerProps & { again: (at: number) => void }) {
  const { title, grant, renew, poster, storyboard, live = false, behind = 3, preview = false, startAt = 0, asked = false, theatre, onTheatre } = props
  const [player, setPlayer] = useState<MediaPlayerElement | null>(null)
  const [silenced, setSilenced] = useState(false)
  const [failed, setFailed] = useState(false)
  const [help, setHelp] = useState(false)
  const [stream, tracks] = useMemo(() => [new Stream(), new Tracks()], [])
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
      if (live) return
      // Segments add up to 39.999999 s of 40: that is said as of the film everywhere.
      const whole = Math.round(duration)
      if (duration !== whole && Math.abs(duration - whole) < NEARLY_S) player.duration = whole
      else tracks.mark(player, chapters, duration)
    })
  }, [player, chapters])

  useEffect(() => (player ? fresh.current.onPlayer?.(player) ?? undefined : undefined), [player])

  useEffect(() => {
    if (!player || !grant) return
    const link = new Link(grant, renew && (() => fresh.current.renew?.() ?? Promise.reject(new Error('it cannot be renewed'))))
    const heard = new AbortController()
    const on = (type: string, act: (detail: unknown) => void) => {
      player.addEventListener(type as 'error', (event) => act(event.detail), { signal: heard.signal })
    }
    on('provider-change', (provider) => {
      if (!isHls(provider)) return
      player.canPlayQueue.enqueue('currentTime', () => undefined) // in the place of 0, which would undo where hls.js begins
      provider.library = () => library
      provider.config = stream.config(link, startAt, live ? behind : null, preview)
      provider.onInstance((hls) => {
        stream.attach(hls)
        if (live) seekable(player, hls)
      })
    })
    on('provider-setup', (provider) => {
      const { video } = provider as { video?: HTMLVideoElement }
      if (video) tracks.attach(video)
      if (!isHls(provider) && startAt > 0) player.currentTime = startAt // the browser plays HLS by itself
    })
    if (asked) on('can-play', () => void player.play().catch(() => undefined)) // then its button is there
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
    // What a touch has shown goes by itself, too.
    on('controls-change', (shown) => {
      if (shown && player.state.pointer === 'coarse' && !player.paused) player.controls.hide(SHOWN_MS)
    })
    on('error', () => setFailed(!fresh.current.onFailure?.()))
    const foreign = new URL(link.first, location.href).origin !== location.origin
    player.crossOrigin = foreign ? (link.cookies ? 'use-credentials' : 'anonymous') : null
    player.src = { src: link.first, type: 'application/x-mpegurl' }
    player.startLoading()
    return () => {
      heard.abort()
      link.close()
    }
  }, [player, Boolean(grant)])

  useEffect(() => {
    if (!failed || !player || !stream.lost) return
    unanswered()
    return reachable.subscribe((now) => now && again(player.currentTime))
  }, [failed])

  const parts = useMemo<Parts | null>(() => player && {
    player,
    stream,
    tracks,
    live,
    theatre,
    toggleTheatre: onTheatre && (() => fresh.current.onTheatre?.(!fresh.current.theatre)),
    help: () => setHelp(true),
  }, [player, theatre, Boolean(onTheatre)])

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
    <media-player ref={(element) => { if (element && element !== player) setPlayer(set(element, { live, asked })) }}
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

function set(player: MediaPlayerElement, { live, asked }: { live: boolean; asked: boolean }): MediaPlayerElement {
  player.load = 'custom'
  player.keyDisabled = true // ours are in keys.ts
  player.viewType = 'video'
  player.streamType = live ? 'live:dvr' : 'on-demand'
  player.minLiveDVRWindow = 0 // all that is there can be seen
  player.liveEdgeTolerance = 2.5
  player.artwork = [] // else the page's own address is asked for a picture
  player.playsInline = true
  player.autoPlay = !asked
  player.volume = remembered.value.volume
  player.muted = remembered.value.muted
  player.playbackRate = live ? 1 : remembered.value.speed
  return player
}
