/** The bar under the picture, and the scrubber with chapters and little pictures of other times. */
import {
  Captions, CaptionsOff, Keyboard, Maximize, Minimize, Pause, PictureInPicture2, Play, RectangleHorizontal, RotateCcw, Shrink, Volume1, Volume2, VolumeX,
} from 'lucide-preact'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { duration, player as text } from '../text'
import { toLive, toggleFullscreen, toggleMuted, togglePaused, togglePip } from './actions'
import { useMedia, useParts } from './context'
import { Settings } from './settings'

interface ButtonProps {
  label: string
  hint?: string
  pressed?: boolean
  onClick: () => void
  class?: string
  children: ComponentChildren
}

export function Button({ label, hint, pressed, onClick, class: more = '', children }: ButtonProps) {
  return (
    <button type="button" class={`control ${more}`} aria-label={label} title={hint ? `${label} (${hint})` : label} aria-pressed={pressed} onClick={onClick}>
      {children}
    </button>
  )
}

export function Controls({ storyboard }: { storyboard: string | null | undefined }) {
  const { player, live } = useParts()
  // They stay for who is at them with the keyboard.
  const seen = (event: FocusEvent) => event.target instanceof Element && event.target.matches(':focus-visible') && player.controls.pause()
  return (
    <div class="controls" onFocusIn={seen} onFocusOut={() => player.controls.resume()} onMouseDown={keepFocus}>
      <Scrubber storyboard={storyboard} />
      <div class="buttons">
        <PlayButton />
        <Volume />
        {live ? <Live /> : <Time />}
        <Chapter />
        <span class="gap" />
        <CaptionsButton />
        <Settings />
        <View />
      </div>
    </div>
  )
}

/** A button that is clicked does not take the keys: the space bar stays that of the player. */
function keepFocus(event: MouseEvent): void {
  if (event.target instanceof Element && event.target.closest('button')) event.preventDefault()
}

function PlayButton() {
  const parts = useParts()
  const [paused, ended] = [useMedia((state) => state.paused), useMedia((state) => state.ended)]
  if (ended) return <Button label={text.replay} hint="K" onClick={() => togglePaused(parts)}><RotateCcw aria-hidden /></Button>
  return (
    <Button label={paused ? text.play : text.pause} hint="K" onClick={() => togglePaused(parts)}>
      {paused ? <Play aria-hidden /> : <Pause aria-hidden />}
    </Button>
  )
}

function Volume() {
  const parts = useParts()
  const [muted, volume] = [useMedia((state) => state.muted), useMedia((state) => state.volume)]
  const settable = useMedia((state) => state.canSetVolume)
  const Icon = muted || volume === 0 ? VolumeX : volume < 0.5 ? Volume1 : Volume2
  return (
    <div class="volume">
      <Button label={muted ? text.unmute : text.mute} hint="M" onClick={() => toggleMuted(parts)}><Icon aria-hidden /></Button>
      {settable && (
        <media-volume-slider class="slider" aria-label={text.volume} keyStep={5}>
          <div class="track" />
          <div class="track fill" />
          <div class="thumb" />
        </media-volume-slider>
      )}
    </div>
  )
}

function Time() {
  const at = useMedia((state) => Math.floor(state.currentTime))
  const all = useMedia((state) => state.duration)
  return <span class="time">{duration(at)} <span class="of">/ {duration(all)}</span></span>
}

const EDGE_S = 3

/** Where one is in what is live, and the way to what happens now. */
function Live() {
  const { player } = useParts()
  const behind = useMedia((state) => Math.max(0, Math.round((state.liveSyncPosition ?? state.seekableEnd) - state.currentTime)))
  const started = useMedia((state) => state.started)
  const late = started && Number.isFinite(behind) && behind > EDGE_S
  return (
    <span class="time">
      <button type="button" class={late ? 'edge' : 'edge at'} aria-label={late ? text.toLive : text.live} disabled={!late} onClick={() => toLive({ player })}>
        <span class="dot" aria-hidden />{text.live}
      </button>
      {late && <span class="of">{text.behind(duration(behind))}</span>}
    </span>
  )
}

/** The chapter that one is in. */
function Chapter() {
  const { tracks } = useParts()
  const at = useMedia((state) => Math.floor(state.currentTime))
  const now = tracks.chapters.value.findLast((each) => each.start_s <= at + 0.5)
  return now ? <span class="chapter clip person">{now.title}</span> : null
}

function CaptionsButton() {
  const { tracks } = useParts()
  if (!tracks.captions.value.length) return null
  const on = tracks.shown.value !== null
  return (
    <Button label={on ? text.captionsOff : text.captionsOn} hint="C" pressed={on} onClick={() => tracks.toggle()}>
      {on ? <Captions aria-hidden /> : <CaptionsOff aria-hidden />}
    </Button>
  )
}

/** How large the picture is, and where. */
function View() {
  const parts = useParts()
  const [fullscreen, pip] = [useMedia((state) => state.fullscreen), useMedia((state) => state.pictureInPicture)]
  const [canFullscreen, canPip] = [useMedia((state) => state.canFullscreen), useMedia((state) => state.canPictureInPicture)]
  return (
    <>
      <Button label={text.shortcuts} hint="?" class="wide-only" onClick={parts.help}><Keyboard aria-hidden /></Button>
      {canPip && <Button label={pip ? text.pipExit : text.pip} hint="I" class="roomy-only" onClick={() => togglePip(parts)}><PictureInPicture2 aria-hidden /></Button>}
      {parts.toggleTheatre && !fullscreen && (
        <Button label={parts.theatre ? text.theatreExit : text.theatre} hint="T" class="desk-only" onClick={parts.toggleTheatre}>
          {parts.theatre ? <Shrink aria-hidden /> : <RectangleHorizontal aria-hidden />}
        </Button>
      )}
      {canFullscreen && (
        <Button label={fullscreen ? text.fullscreenExit : text.fullscreen} hint="F" onClick={() => toggleFullscreen(parts)}>
          {fullscreen ? <Minimize aria-hidden /> : <Maximize aria-hidden />}
        </Button>
      )}
    </>
  )
}

function Scrubber({ storyboard }: { storyboard: string | null | undefined }) {
  const [near, setNear] = useState(false) // the little pictures are fetched for who comes near
  return (
    <media-time-slider class="slider scrubber" aria-label={text.seek} keyStep={5} onPointerEnter={() => setNear(true)}>
      <media-slider-chapters class="chapters">
        <template>
          <div class="part">
            <div class="track" />
            <div class="track progress" />
            <div class="track fill" />
          </div>
        </template>
      </media-slider-chapters>
      <div class="thumb" />
      <media-slider-preview class="preview">
        {storyboard && near && <media-slider-thumbnail class="picture" src={storyboard} />}
        <div class="name" data-part="chapter-title" />
        <media-slider-value class="when" />
      </media-slider-preview>
    </media-time-slider>
  )
}
