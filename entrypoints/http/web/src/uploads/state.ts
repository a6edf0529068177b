/** What is being sent, as much of it as the bar over every page must know. The code that sends is loaded when needed. */
import { signal } from '@preact/signals'
import type { Transfer } from './transfer'

export const transfers = signal<readonly Transfer[]>([])

const HINT = 'hexcast.uploads' // says only that this browser remembers uploads that are not over

export const hint = {
  get there(): boolean {
    return localStorage.getItem(HINT) !== null
  },
  keep(there: boolean): void {
    if (there) localStorage.setItem(HINT, '1')
    else localStorage.removeItem(HINT)
  },
}
