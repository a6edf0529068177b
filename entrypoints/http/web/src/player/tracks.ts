/** Captions, shown by the browser itself, which takes what is in a file for text; and chapters, for the scrubber. */
import { signal } from '@preact/signals'
import { TextTrack } from 'vidstack'
import type { MediaPlayerElement } from './elements'
import { remember, remembered } from './remembered'

export interface Caption {
  language: string
  label: string
  url: string
}

export interface Chapter {
  start_s: number
  title: string
}

export class Tracks {
  readonly captions = signal<readonly Caption[]>([])
  /** The language that is shown. */
  readonly shown = signal<string | null>(remembered.value.captions)
  readonly chapters = signal<readonly Chapter[]>([])
  #video: HTMLVideoElement | null = null
  #last = remembered.value.captions
  #marked: TextTrack | null = null

  attach(video: HTMLVideoElement): void {
    this.#video = video
    this.#draw()
  }

  offer(captions: readonly Caption[]): void {
    this.captions.value = captions
    if (this.shown.value && !captions.some((each) => each.language === this.shown.value)) this.shown.value = null
    else if (!this.shown.value && captions.some((each) => each.language === remembered.value.captions)) this.shown.value = remembered.value.captions
    this.#draw()
  }

  choose(language: string | null): void {
    this.shown.value = language
    this.#last = language ?? this.#last
    remember({ captions: language })
    this.#draw()
  }

  /** On in the language shown last, or the reader's own, or the first; or off. */
  toggle(): void {
    const all = this.captions.value.map((each) => each.language)
    const own = navigator.languages.flatMap((each) => [each, each.split('-')[0] ?? each])
    this.choose(this.shown.value ? null : ([this.#last, ...own].find((each) => each && all.includes(each)) ?? all[0] ?? null))
  }

  /** A file is fetched once its language is asked for. */
  #draw(): void {
    const video = this.#video
    if (!video) return
    const wanted = this.captions.value.find((each) => each.language === this.shown.value)
    const there = [...video.querySelectorAll('track')]
    for (const each of there) {
      if (each.dataset.url === wanted?.url) each.track.mode = 'showing'
      else each.track.mode = 'disabled'
    }
    if (!wanted || there.some((each) => each.dataset.url === wanted.url)) return
    const track = document.createElement('track')
    track.kind = 'subtitles'
    track.label = wanted.label
    track.srclang = wanted.language
    track.src = wanted.url
    track.dataset.url = wanted.url
    video.append(track)
    track.track.mode = 'showing'
  }

  mark(player: MediaPlayerElement, chapters: readonly Chapter[], duration: number): void {
    if (this.#marked) player.textTracks.remove(this.#marked)
    this.#marked = null
    this.chapters.value = chapters
    if (chapters.length < 2 || !duration) return
    const track = new TextTrack({ kind: 'chapters', default: true, label: '' })
    chapters.forEach((each, place) => {
      const end = chapters[place + 1]?.start_s ?? duration
      if (end > each.start_s) track.addCue(new VTTCue(each.start_s, end, each.title))
    })
    player.textTracks.add(track)
    track.mode = 'showing'
    this.#marked = track
  }
}
