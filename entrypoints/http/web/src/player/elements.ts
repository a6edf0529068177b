/**
 * The parts of vidstack that the player is made of, and how JSX writes them. Those for captions are left out: they make
 * markup of what stands in a caption file (`&lt;img …&gt;` becomes a picture), where the browser's own tracks show text.
 */
import type { HTMLAttributes } from 'preact'
import {
  MediaGestureElement,
  MediaPlayerElement,
  MediaProviderElement,
  MediaSliderChaptersElement,
  MediaSliderPreviewElement,
  MediaSliderThumbnailElement,
  MediaSliderValueElement,
  MediaTimeSliderElement,
  MediaVolumeSliderElement,
  defineCustomElement,
} from 'vidstack/elements'

for (const element of [
  MediaPlayerElement,
  MediaProviderElement,
  MediaGestureElement,
  MediaTimeSliderElement,
  MediaSliderChaptersElement,
  MediaSliderPreviewElement,
  MediaSliderThumbnailElement,
  MediaSliderValueElement,
  MediaVolumeSliderElement,
]) {
  defineCustomElement(element)
}

export type { MediaPlayerElement }

type Of<T extends EventTarget, More = object> = HTMLAttributes<T> & More

declare module 'preact' {
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace JSX {
    interface IntrinsicElements {
      'media-player': Of<MediaPlayerElement>
      'media-provider': Of<MediaProviderElement>
      'media-gesture': Of<MediaGestureElement, { event: string; action: string }>
      'media-time-slider': Of<MediaTimeSliderElement, { keyStep?: number; disabled?: boolean }>
      'media-slider-chapters': Of<MediaSliderChaptersElement>
      'media-slider-preview': Of<MediaSliderPreviewElement, { offset?: number }>
      'media-slider-thumbnail': Of<MediaSliderThumbnailElement, { src: string | null }>
      'media-slider-value': Of<MediaSliderValueElement>
      'media-volume-slider': Of<MediaVolumeSliderElement, { keyStep?: number }>
    }
  }
}
