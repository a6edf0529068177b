/** What hls.js is told, and what it tells: which renditions there are, which one plays, and what to do when it is refused. */
import { signal } from '@preact/signals'
import type Hls from 'hls.js'
import type { HlsConfig, LoadPolicy, RetryConfig } from 'hls.js'
import type { Link } from './link'
import { remember, remembered } from './remembered'

export const library = import('hls.js')

const END_S = 0.25
const SHARPEST = 2
const NAME = Math.random().toString(36).slice(2)
const PREVIEW = 'preview' // counts as nobody

export interface Rendition {
  level: number
  /** Its short side in pixels, by which it is called: a portrait's is its width. */
  lines: number
}

export class Stream {
  readonly renditions = signal<readonly Rendition[]>([])
  /** The short side of what is shown. */
  readonly shown = signal<number | null>(null)
  /** Whether it ended because nothing answered any more. */
  lost = false
  #hls: Hls | null = null

  config(link: Link, startAt: number, behind: number | null, preview: boolean): Partial<HlsConfig> {
    return {
      startPosition: startAt > 0 ? startAt : -1,
      enableWorker: false, // segments are fMP4: there is nothing to convert, and a worker costs time before the first picture
      capLevelToPlayerSize: true,
      maxDevicePixelRatio: SHARPEST,
      testBandwidth: false,
      abrEwmaDefaultEstimate: remembered.value.line,
      maxBufferLength: 30,
      maxMaxBufferLength: 60,
      backBufferLength: 60,
      renderTextTracksNatively: false,
      enableWebVTT: false,
      enableIMSC1: false,
      enableCEA708Captions: false,
      xhrSetup: async (request, url) => {
        const address = await link.address(url)
        request.open('GET', behind === null ? address : named(address, preview), true)
        request.withCredentials = link.cookies
      },
      fragLoadPolicy: policy(link, 20_000, 120_000),
      playlistLoadPolicy: policy(link, 10_000, 20_000),
      manifestLoadPolicy: policy(link, 10_000, 20_000),
      ...(behind !== null && {
        liveSyncDuration: behind,
        liveDurationInfinity: true, // so that what is gone is known to be
        lowLatencyMode: true, // who fell behind a little is brought back by playing a little faster
        maxLiveSyncPlaybackRate: 1.1,
        backBufferLength: 120,
      }),
    }
  }

  attach(hls: Hls): void {
    const { Events } = hls.constructor as typeof Hls
    this.#hls = hls
    hls.on(Events.MANIFEST_PARSED, () => {
      const best = new Map<number, Rendition>()
      hls.levels.forEach((each, level) => best.set(lines(each), { level, lines: lines(each) }))
      this.renditions.value = [...best.values()].filter((each) => each.lines > 0).sort((a, b) => b.lines - a.lines)
      const wanted = this.#wanted()
      if (wanted) hls.loadLevel = wanted.level
      else hls.startLevel = this.#fitting(hls)
    })
    hls.on(Events.LEVEL_SWITCHED, (_, { level }) => {
      const shown = hls.levels[level]
      this.shown.value = shown ? lines(shown) : null
    })
    // Films that this machine made before it joined slivers (adapters/local/encode.py) may end in a segment that hls.js
    // never counts as all there, and so waits for. New ones do not, nor does MPEG-TS: of MediaConvert, of what is live.
    hls.on(Events.MEDIA_ATTACHED, (_, { media }) => {
      media.addEventListener('waiting', () => {
        if (media.duration - media.currentTime < END_S && hls.latestLevelDetails?.live === false) hls.trigger(Events.BUFFER_EOS, { type: null })
      })
    })
    hls.on(Events.ERROR, (_, { fatal, type, response }) => {
      if (fatal) this.lost = type === 'networkError' && !response?.code
    })
    hls.on(Events.DESTROYING, () => {
      if (hls.bandwidthEstimate > 0) remember({ line: Math.round(hls.bandwidthEstimate) })
      this.#hls = null
    })
  }

  /** At most so many lines; null for what the line allows. */
  choose(most: number | null): void {
    remember({ quality: most })
    if (!this.#hls) return
    // What was chosen is shown at once; going back to what the line allows may wait for the next segment.
    const wanted = this.#wanted()
    if (wanted) this.#hls.currentLevel = wanted.level
    else this.#hls.nextLevel = -1
  }

  /** The smallest that fills the box, or what the line allows: the first picture is there soon, and stays. */
  #fitting(hls: Hls): number {
    const box = (hls.media?.clientHeight ?? 0) * Math.min(devicePixelRatio, SHARPEST)
    const allowed = hls.levels.flatMap(({ height, bitrate }, level) => (bitrate < remembered.value.line ? [{ level, height }] : []))
    allowed.sort((a, b) => a.height - b.height)
    return (allowed.find((each) => each.height >= box) ?? allowed.at(-1))?.level ?? 0
  }

  #wanted(): Rendition | undefined {
    const most = remembered.value.quality
    if (most === null) return undefined
    return this.renditions.value.find((each) => each.lines <= most) ?? this.renditions.value.at(-1)
  }
}

/** Asks for a playlist of our own by a name that this page has drawn: so each player counts as one that watches. */
function named(address: string, preview: boolean): string {
  const url = new URL(address, location.href)
  if (url.origin !== location.origin || !url.pathname.endsWith('.m3u8')) return address
  url.searchParams.set('viewer', preview ? PREVIEW : NAME)
  return url.href
}

function lines({ width, height }: { width: number; height: number }): number {
  return Math.min(width, height)
}

/** Tries again what a line or a server did not carry; and what was refused, with another link. */
function policy(link: Link, firstMs: number, allMs: number): LoadPolicy {
  const retry = { maxNumRetry: 5, retryDelayMs: 500, maxRetryDelayMs: 8_000 }
  const shouldRetry: RetryConfig['shouldRetry'] = (config, count, _timeout, response, again) => {
    if (!config || count >= config.maxNumRetry) return false
    if (response?.code !== 403) return again || response?.code === 0
    void link.renew()
    return count < 3
  }
  return {
    default: { maxTimeToFirstByteMs: firstMs, maxLoadTimeMs: allMs, timeoutRetry: { ...retry }, errorRetry: { ...retry, shouldRetry } },
  }
}
