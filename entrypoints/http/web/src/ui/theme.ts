/** As the system has it, or as the reader chose on this machine. */
import { signal } from '@preact/signals'
import { KEPT, keep, kept } from '../kept'

export type Theme = 'system' | 'light' | 'dark'
const chosen = kept(KEPT.theme)

export const theme = signal<Theme>(chosen === 'light' || chosen === 'dark' ? chosen : 'system')

export function choose(wanted: Theme): void {
  theme.value = wanted
  keep(KEPT.theme, wanted === 'system' ? null : wanted)
  apply()
}

export function apply(): void {
  if (theme.value === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.value
}
