/** The address of a video, to give to others. */
import { common } from '../../text'
import { to } from '../../ui/link'
import { attempt, toast } from '../../ui/overlay'

export function copyLink(id: string): void {
  void attempt(async () => {
    await navigator.clipboard.writeText(location.origin + to.watch({ id }))
    toast(common.copied)
  })
}
