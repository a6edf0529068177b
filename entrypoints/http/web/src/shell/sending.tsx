/** Uploads that go on while one is elsewhere. */
import { Upload } from 'lucide-preact'
import { uploading } from '../text'
import { transfers } from '../uploads/state'

export function Sending() {
  const open = transfers.value.filter((each) => !['sent', 'cancelled'].includes(each.state.value.phase))
  if (!open.length) return null
  const [size, sent] = open.reduce(([whole, part], { kept, state }) => [whole + kept.size, part + state.value.sent], [0, 0])
  const percent = Math.floor((100 * sent) / size)
  return (
    <a class="button small" href="/studio/upload" aria-label={open.some((each) => each.busy) ? uploading.indicator(open.length, percent) : uploading.indicatorWaiting(open.length)}>
      <Upload aria-hidden />
      <span class="percent">{percent} %</span>
    </a>
  )
}
