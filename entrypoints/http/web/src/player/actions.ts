/** What buttons and keys do. */
import { signal } from '@preact/signals'
import { player as text } from '../text'
import type { Parts } from './context'
import { remember } from './remembered'

export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const

/** What a key just did, shown for a moment. */
export const told = signal<{ text: string } | null>(null)

function tell(words: string): void {
  told.value = { text: words }
}

export function togglePaused({ player }: Parts): void {
  const video = player.querySelector('video')
  // What was asked for a moment ago the element has done, while vidstack waits for its event, and would do nothing.
  if (video && video.paused !== player.paused) void (video.paused ? video.play().catch(() => undefined) : video.pause())
  // The remote control asks again once there is something to play.
  else if (player.paused) player.remoteControl.play()
  else player.remoteControl.pause()
}

/** Within what is there to be seen. */
export function seek({ player }: Pick<Parts, 'player'>, to: number): void {
  const { seekableStart, seekableEnd } = player.state
  player.currentTime = Math.max(seekableStart, Math.min(to, seekableEnd))
}

/** To what happens now, as far as it can be had. */
export function toLive({ player }: Pick<Parts, 'player'>): void {
  player.currentTime = player.state.liveSyncPosition ?? player.state.seekableEnd
  if (player.paused) player.remoteControl.play()
}

export function jump(parts: Parts, seconds: number): void {
  seek(parts, parts.player.currentTime + seconds)
  tell(seconds > 0 ? text.forward(seconds) : text.backward(-seconds))
}

export function louder({ player }: Parts, by: number): void {
  player.volume = Math.max(0, Math.min(1, player.volume + by))
  if (by > 0) player.muted = false
  tell(text.percent(player.volume))
}

export function toggleMuted({ player }: Parts): void {
  const muted = !player.muted
  player.muted = muted
  if (!muted && player.volume === 0) player.volume = 0.5
  remember({ muted })
  tell(muted ? text.mute : text.percent(player.volume))
}

export function speed({ player }: Parts, rate: number | undefined): void {
  if (rate === undefined) return
  player.playbackRate = rate
  remember({ speed: rate })
  tell(text.times(rate))
}

export function toggleFullscreen({ player }: Parts): void {
  player.remoteControl.toggleFullscreen()
}

export function togglePip({ player }: Parts): void {
  if (player.state.canPictureInPicture) player.remoteControl.togglePictureInPicture()
}
