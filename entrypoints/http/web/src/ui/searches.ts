/** What was searched for, kept on this machine until whoever searched signs out. */
import { signal } from '@preact/signals'
import { KEPT, keep, kept } from '../kept'

const MOST = 12

function before(): readonly string[] {
  try {
    const list: unknown = JSON.parse(kept(KEPT.searches) ?? '[]')
    return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : []
  } catch {
    return [] // written by something else
  }
}

export const searches = signal(before())

function set(list: readonly string[]): void {
  searches.value = list
  keep(KEPT.searches, JSON.stringify(list))
}

export function remember(words: string): void {
  set([words, ...searches.value.filter((each) => each !== words)].slice(0, MOST))
}

export function forgetSearches(): void {
  set([])
}
