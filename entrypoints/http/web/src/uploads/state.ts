/** What is being sent, as much of it as the bar over every page must know. The code that sends is loaded when needed. */
import { signal } from '@preact/signals'
import { KEPT, keep, kept } from '../kept'
import type { Transfer } from './transfer'

export const transfers = signal<readonly Transfer[]>([])

export const hint = {
  get there(): boolean {
    return kept(KEPT.uploads) !== null
  },
  keep(there: boolean): void {
    keep(KEPT.uploads, there ? '1' : null)
  },
}
