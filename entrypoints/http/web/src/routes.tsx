/** Which page stands at which address. Each is loaded when it is first asked for. */
import { ErrorBoundary, Route, Router, lazy, useLocation } from 'preact-iso'
import { useEffect, useState } from 'preact/hooks'
import { Problem } from './api/client'
import { pages } from './pages'
import { arrived } from './travel'
import { Failure } from './ui/page'

const Home = lazy(pages.home)
const Search = lazy(pages.search)
const Watch = lazy(pages.watch)
const Live = lazy(pages.live)
const Channel = lazy(pages.channel)
const Subscriptions = lazy(pages.subscriptions)
const History = lazy(pages.history)
const Notifications = lazy(pages.notifications)
const Studio = lazy(pages.studio)
const Account = lazy(pages.account)
const SignIn = lazy(pages['sign-in'])
const SignUp = lazy(pages['sign-up'])
const Forgot = lazy(pages.forgot)
const Missing = lazy(pages.missing)

export function Pages() {
  const { path } = useLocation()
  const [error, setError] = useState<unknown>(null)
  useEffect(() => setError(null), [path])
  // Code that could not be fetched is not asked for again by the same document.
  if (error) return <Failure page error={error} retry={() => (error instanceof Problem ? setError(null) : location.reload())} />
  return (
    <ErrorBoundary onError={setError}>
      <Router onRouteChange={arrived} onLoadEnd={arrived}>
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
