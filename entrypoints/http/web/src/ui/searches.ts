/** What was searched for, kept on this machine until whoever searched signs out. */
import { signal } from '@preact/signals'
import { KEPT } from '../kept'

const MOST = 12

function kept(): readonly string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(KEPT.searches) ?? '[]')
    return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : []
  } catch {
    return [] // written by something else
  }
}

export const searches = signal(kept())

function keep(list: readonly string[]): void {
  searches.value = list
  localStorage.setItem(KEPT.searches, JSON.stringify(list))
}

export function remember(words: string): void {
  keep([words, ...searches.value.filter((each) => each !== words)].slice(0, MOST))
}

export function forgetSearches(): void {
  keep([])
}
