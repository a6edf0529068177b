import { Problem } from '../api/client'
import { common } from '../text'
import { Failure, useTitle } from '../ui/page'

export default function Missing() {
  useTitle(common.wrong.missingTitle)
  return <Failure page error={new Problem('not_found', '', 404)} />
}
