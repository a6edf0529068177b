/** What those who moderate may do with a comment, and taking it away: under its video and in the studio. */
import { Check, Hand, X } from 'lucide-preact'
import { useState } from 'preact/hooks'
import type { Comment } from '../api/client'
import { type Ruling, rule, withdraw } from '../api/comments'
import { comment as text, common } from '../text'
import { Confirm, attempt, toast } from './overlay'

const ICONS: Readonly<Record<Ruling, typeof Check>> = { approve: Check, hold: Hand, reject: X }
const RULINGS: Readonly<Record<Comment['status'], readonly Ruling[]>> = { visible: ['hold', 'reject'], held: ['approve', 'reject'], rejected: ['approve'], removed: [] }

/** A button for each; `look` is its class. */
export function Rulings({ comment, look }: { comment: Comment; look?: string }) {
  const [busy, setBusy] = useState(false)
  async function run(ruling: Ruling): Promise<void> {
    setBusy(true)
    if (await attempt(() => rule(comment, ruling))) toast(text.ruled[ruling])
    setBusy(false)
  }
  return (
    <>
      {RULINGS[comment.status].map((each) => {
        const Icon = ICONS[each]
        return <button key={each} type="button" class={look} disabled={busy} onClick={() => void run(each)}><Icon aria-hidden />{text.rule[each]}</button>
      })}
    </>
  )
}

/** Asks, and then takes it away. */
export function Withdraw({ comment, open, onClose }: { comment: Comment; open: boolean; onClose: () => void }) {
  async function run(): Promise<void> {
    if (await attempt(() => withdraw(comment))) toast(text.removed)
  }
  return (
    <Confirm open={open} title={text.removeTitle} action={common.remove} cancel={common.cancel} onClose={onClose} onConfirm={run}>
      <p>{text.removeWhy}</p>
    </Confirm>
  )
}
