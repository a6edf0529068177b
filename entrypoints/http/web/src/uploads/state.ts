/** What is being sent, as much of it as the bar over every page must know. The code that sends is loaded when needed. */
import { signal } from '@preact/signals'
import { KEPT } from '../kept'
import type { Transfer } from './transfer'

export const transfers = signal<readonly Transfer[]>([])

export const hint = {
  get there(): boolean {
    return localStorage.getItem(KEPT.uploads) !== null
  },
  keep(there: boolean): void {
    if (there) localStorage.setItem(KEPT.uploads, '1')
    else localStorage.removeItem(KEPT.uploads)
  },
}
