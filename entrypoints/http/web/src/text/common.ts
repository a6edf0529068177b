import { signal } from '@preact/signals'

export const common = {
  product: 'Hexcast',
  retry: 'Try again',
  cancel: 'Cancel',
  save: 'Save',
  saved: 'Saved.',
  remove: 'Delete',
  close: 'Close',
  more: 'Show more',
  loading: 'Loading',
  copied: 'Copied.',
  notCopied: 'The browser does not let this page copy. Select it and copy it by hand.',
  copy: 'Copy',
  signIn: 'Sign in',
  signUp: 'Sign up',
  showPassword: 'Show password',
  live: 'Live',
  views: (count: number) => (count === 1 ? '1 view' : `${compact(count)} views`),
  watching: (count: number) => `${compact(count)} watching`,
  begins: (when: string) => `Begins ${when}`,
  started: (when: string) => `started ${when}`,
  subscribers: (count: number) => (count === 1 ? '1 subscriber' : `${compact(count)} subscribers`),
  leave: {
    title: 'Leave without saving?',
    why: 'What you changed here has not been saved.',
    leave: 'Leave',
    stay: 'Stay',
  },
  ending: { type: (handle: string) => `Type ${handle} to confirm`, confirm: 'Delete for good' },
  visibility: { public: 'Public', unlisted: 'Unlisted', private: 'Private', scheduled: 'Scheduled' },
  states: { pending: 'Waiting', probing: 'Looking at the file', transcoding: 'Processing', ready: 'Ready', failed: 'Failed' },
  wrong: {
    title: 'That did not work',
    offline: 'Hexcast cannot be reached. Check that it is running and that you are connected, then try again.',
    back: 'Hexcast could not be reached, so this was not done. Try again.',
    unknown: 'Something went wrong here.',
    missing: 'This page is not here, or not for you to see.',
    missingTitle: 'Nothing here',
    home: 'Go to the home page',
    signInFirst: 'Sign in to go on.',
  },
}

const LANGUAGE = 'en'

const number = new Intl.NumberFormat(LANGUAGE, { notation: 'compact', maximumFractionDigits: 1 })
export function compact(count: number): string {
  return number.format(count)
}

const finer = new Intl.NumberFormat(LANGUAGE, { notation: 'compact', maximumFractionDigits: 2 })
/** As an axis has it, whose steps may be small. */
export function short(value: number): string {
  return finer.format(value)
}

const all = new Intl.NumberFormat(LANGUAGE)
/** With all its digits. */
export function exact(count: number): string {
  return all.format(count)
}

const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: 'auto' })
const steps: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

const TICK_MS = 30_000
let ticking: ReturnType<typeof setInterval>
/** Moves as time goes by, while what reads it is shown on a page that is seen. */
const ticks = signal(0, {
  watched: () => {
    ticking = setInterval(tick, TICK_MS)
    document.addEventListener('visibilitychange', tick)
  },
  unwatched: () => {
    clearInterval(ticking)
    document.removeEventListener('visibilitychange', tick)
  },
})
function tick(): void {
  if (!document.hidden) ticks.value++
}

/** "3 days ago", "in 2 hours"; said anew as time goes by. */
export function ago(when: string): string {
  void ticks.value
  const seconds = (new Date(when).getTime() - Date.now()) / 1000
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit)
  }
  return relative.format(0, 'second')
}

const moment = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeStyle: 'short' })
export function at(when: string): string {
  return moment.format(new Date(when))
}

const date = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'long' })
export function day(when: string): string {
  return date.format(new Date(when))
}

/** 4:05, 1:02:03. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const tail = `${String(minutes).padStart(hours ? 2 : 1, '0')}:${String(rest).padStart(2, '0')}`
  return hours ? `${hours}:${tail}` : tail
}

const units = ['B', 'kB', 'MB', 'GB', 'TB']
export function bytes(count: number): string {
  let [size, step] = [count, 0]
  while (size >= 1000 && step < units.length - 1) [size, step] = [size / 1000, step + 1]
  return `${size.toFixed(size < 10 && step ? 1 : 0)} ${units[step]}`
}

const hours = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: 'medium' })
/** The time of the day of so many seconds since 1970. */
export function clock(seconds: number): string {
  return hours.format(seconds * 1000)
}

const utc = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeZone: 'UTC' })
/** A day as the API names it, which is one of UTC. */
export function utcDay(name: string): string {
  return utc.format(new Date(`${name}T00:00:00Z`))
}

const month = new Intl.DateTimeFormat(LANGUAGE, { month: 'short', day: 'numeric', timeZone: 'UTC' })
/** The day of UTC of so many seconds since 1970, without its year. */
export function monthDay(seconds: number): string {
  return month.format(seconds * 1000)
}

const languages = new Intl.DisplayNames(LANGUAGE, { type: 'language' })
export function language(tag: string): string {
  try {
    return languages.of(tag) ?? tag
  } catch {
    return tag // not every tag that the API takes is one that Intl knows
  }
}
