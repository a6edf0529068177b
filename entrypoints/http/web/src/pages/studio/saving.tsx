/** The foot of a form over something that is stored: saving, discarding, and what to do when someone else was faster. */
import { TriangleAlert } from 'lucide-preact'
import { common, studio } from '../../text'
import { Submit } from '../../ui/form'
import { Guard } from '../../ui/guard'
import { Wrong } from '../../ui/page'

interface Draft {
  dirty: boolean
  busy: boolean
  error: unknown
  theirs: unknown
  insist: () => Promise<boolean>
  yieldTo: () => unknown
  reset: () => void
}

export function Saving({ draft, guard = true, label = common.save }: { draft: Draft; guard?: boolean; label?: string }) {
  return (
    <>
      <Wrong error={draft.error} />
      {draft.theirs !== null && (
        <div class="notice wrong" role="alert">
          <TriangleAlert aria-hidden />
          <span class="grow">{studio.conflict.title}</span>
          <button class="button small line" type="button" onClick={() => draft.yieldTo()}>{studio.conflict.yield}</button>
          <button class="button small" type="button" disabled={draft.busy} onClick={() => void draft.insist()}>{studio.conflict.insist}</button>
        </div>
      )}
      <div class="row wrap saving">
        <Submit busy={draft.busy} disabled={!draft.dirty}>{label}</Submit>
        <button class="button bare" type="button" disabled={!draft.dirty || draft.busy} onClick={draft.reset}>{studio.discard}</button>
        <span class="small soft" role="status">{draft.dirty && !draft.busy ? studio.unsaved : ''}</span>
      </div>
      {guard && <Guard dirty={draft.dirty} />}
    </>
  )
}
