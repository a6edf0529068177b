/** As the system has it, or as the reader chose on this machine. */
import { signal } from '@preact/signals'
import { KEPT } from '../kept'

export type Theme = 'system' | 'light' | 'dark'
const kept = localStorage.getItem(KEPT.theme)

export const theme = signal<Theme>(kept === 'light' || kept === 'dark' ? kept : 'system')

export function choose(wanted: Theme): void {
  theme.value = wanted
  if (wanted === 'system') localStorage.removeItem(KEPT.theme)
  else localStorage.setItem(KEPT.theme, wanted)
  apply()
}

export function apply(): void {
  if (theme.value === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.value
}
