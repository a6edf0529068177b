/** Which page stands at which address. Each is loaded when it is first asked for. */
import { ErrorBoundary, Route, Router, lazy, useLocation } from 'preact-iso'
import { useEffect, useState } from 'preact/hooks'
import { Failure } from './ui/page'

const Home = lazy(() => import('./pages/home'))
const Search = lazy(() => import('./pages/search'))
const Watch = lazy(() => import('./pages/watch'))
const Live = lazy(() => import('./pages/live'))
const Channel = lazy(() => import('./pages/channel'))
const Subscriptions = lazy(() => import('./pages/subscriptions'))
const History = lazy(() => import('./pages/history'))
const Notifications = lazy(() => import('./pages/notifications'))
const Studio = lazy(() => import('./pages/studio'))
const Account = lazy(() => import('./pages/account'))
const SignIn = lazy(() => import('./pages/sign-in'))
const SignUp = lazy(() => import('./pages/sign-up'))
const Forgot = lazy(() => import('./pages/forgot'))
const Missing = lazy(() => import('./pages/missing'))

export function Pages() {
  const { path } = useLocation()
  const [error, setError] = useState<unknown>(null)
  useEffect(() => setError(null), [path])
  if (error) return <Failure error={error} retry={() => setError(null)} />
  return (
    <ErrorBoundary onError={setError}>
      <Router onRouteChange={() => document.getElementById('main')?.focus({ preventScroll: true })}>
        <Route path="/" component={Home} />
        <Route path="/search" component={Search} />
        <Route path="/watch/:id" component={Watch} />
        <Route path="/live/:id" component={Live} />
        <Route path="/subscriptions" component={Subscriptions} />
        <Route path="/history" component={History} />
        <Route path="/notifications" component={Notifications} />
        <Route path="/studio" component={Studio} />
        <Route path="/studio/*" component={Studio} />
        <Route path="/account" component={Account} />
        <Route path="/sign-in" component={SignIn} />
        <Route path="/sign-up" component={SignUp} />
        <Route path="/forgot" component={Forgot} />
        <Route path="/:handle" component={Channel} />
        <Route path="/:handle/:tab" component={Channel} />
        <Route default component={Missing} />
      </Router>
    </ErrorBoundary>
  )
}
