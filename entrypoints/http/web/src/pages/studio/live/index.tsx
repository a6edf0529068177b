/** Going live: a channel's streams, and the control room of each. */
import { Route, Router } from 'preact-iso'
import Missing from '../../missing'
import { Control } from './control'
import { Streams } from './list'
import './live.css'

export default function GoLive() {
  return (
    <Router>
      <Route path="/" component={Streams} />
      <Route path="/:id" component={Control} />
      <Route default component={Missing} />
    </Router>
  )
}
