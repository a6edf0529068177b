import { WifiOff } from 'lucide-preact'
import { reachable } from '../api/reach'
import { shell } from '../text'

/** Says so while the server does not answer. It lies over the page, which does not move. */
export function Unreachable() {
  return (
    <div class="unreachable" role="status">
      {!reachable.value && <p><WifiOff aria-hidden />{shell.unreachable}</p>}
    </div>
  )
}
