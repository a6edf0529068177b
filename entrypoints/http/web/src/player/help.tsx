/** What the keys do. */
import { player as text } from '../text'
import { Dialog } from '../ui/overlay'
import { SHORTCUTS } from './keys'

export function Help({ open, theatre, onClose }: { open: boolean; theatre: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} title={text.shortcuts} onClose={onClose}>
      <dl class="shortcuts">
        {SHORTCUTS.filter((each) => theatre || each.label !== text.keys.theatre).map((each) => (
          <div key={each.label}>
            <dt>{each.shown.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{each.label}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
