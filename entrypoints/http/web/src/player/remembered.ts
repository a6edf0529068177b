/** How one likes to watch, as this machine remembers it. */
import { signal } from '@preact/signals'
import { KEPT, keep, kept } from '../kept'

export const SIZES = ['small', 'normal', 'large', 'huge'] as const
export const LOOKS = ['box', 'shade', 'outline'] as const

export interface Remembered {
  volume: number
  muted: boolean
  speed: number
  /** Pixels high at most; null for what the line allows. */
  quality: number | null
  /** The language of the captions; null for none. */
  captions: string | null
  captionSize: (typeof SIZES)[number]
  captionLook: (typeof LOOKS)[number]
  theatre: boolean
  /** What the line carried last, in bits a second, so that the first picture is as good as it can be. */
  line: number
}

const untouched: Remembered = {
  volume: 1,
  muted: false,
  speed: 1,
  quality: null,
  captions: null,
  captionSize: 'normal',
  captionLook: 'box',
  theatre: false,
  line: 4_000_000,
}

function before(): Remembered {
  try {
    return { ...untouched, ...(JSON.parse(kept(KEPT.player) ?? '{}') as Partial<Remembered>) }
  } catch {
    return untouched // something else wrote there
  }
}

export const remembered = signal<Remembered>(before())

export function remember(change: Partial<Remembered>): void {
  remembered.value = { ...remembered.value, ...change }
  keep(KEPT.player, JSON.stringify(remembered.value))
}
