/** What one watched, the last first, and how far. */
import { History as HistoryIcon, Trash2, X } from 'lucide-preact'
import type { InfiniteData } from '@tanstack/preact-query'
import { useRef, useState } from 'preact/hooks'
import { type Schemas, api, ask } from '../api/client'
import { queries, useListing } from '../api/queries'
import { common, history as text } from '../text'
import { CardBones, More, Rows, VideoRow } from '../ui/cards'
import { Confirm, attempt } from '../ui/overlay'
import { Failure, State, useTitle } from '../ui/page'
import { SignedIn } from '../ui/signed-in'

const KEY = ['history', 'list']
type Pages = InfiniteData<Schemas['Listing_VideoView']>

export default function History() {
  useTitle(text.title)
  return (
    <div class="page middle">
      <SignedIn waiting={<><h1>{text.title}</h1><CardBones look="rows" count={6} /></>}>{() => <List />}</SignedIn>
    </div>
  )
}

function List() {
  const [asking, setAsking] = useState(false)
  const title = useRef<HTMLHeadingElement>(null)
  const watched = useListing(KEY, (cursor) => ask(api.GET('/v1/me/history', { params: { query: { limit: 20, cursor } } })))

  /** Shown at once, and taken back where the API refuses. */
  async function change(next: (pages: Pages) => Pages, send: () => Promise<unknown>): Promise<void> {
    await queries.cancelQueries({ queryKey: KEY })
    const before = queries.getQueryData<Pages>(KEY)
    if (before) queries.setQueryData(KEY, next(before))
    title.current?.focus() // what was clicked is gone
    if (!(await attempt(send))) queries.setQueryData(KEY, before)
    void queries.invalidateQueries({ queryKey: ['history', 'short'] })
  }

  const remove = (id: string) =>
    change(
      (pages) => ({ ...pages, pages: pages.pages.map((page) => ({ ...page, data: page.data.filter((each) => each.id !== id) })) }),
      () => ask(api.DELETE('/v1/me/history/{video_id}', { params: { path: { video_id: id } } })),
    )
  const clear = () => change((pages) => ({ ...pages, pages: [{ data: [], next_cursor: null }], pageParams: [undefined] }), () => ask(api.DELETE('/v1/me/history')))

  return (
    <>
      <div class="row apart">
        <h1 ref={title} tabIndex={-1}>{text.title}</h1>
        {watched.items.length > 0 && <button class="button" type="button" onClick={() => setAsking(true)}><Trash2 aria-hidden />{text.clear}</button>}
      </div>
      {watched.isPending ? <CardBones look="rows" count={6} /> : watched.isError && !watched.items.length ? <Failure error={watched.error} retry={watched.refetch} /> : watched.items.length ? (
        <Rows>
          <h2 class="hush">{text.watched}</h2>
          {watched.items.map((each, place) => (
            <VideoRow key={each.id} video={each} eager={place < 3}
              aside={<button class="button bare icon small" type="button" aria-label={text.remove(each.title)} title={text.removeShort} onClick={() => void remove(each.id)}><X aria-hidden /></button>} />
          ))}
        </Rows>
      ) : (
        <State icon={<HistoryIcon aria-hidden />} title={text.emptyTitle}>
          <p>{text.empty}</p>
          <a class="button" href="/">{text.look}</a>
        </State>
      )}
      <More has={watched.hasNextPage} busy={watched.isFetchingNextPage} next={watched.fetchNextPage} />
      <Confirm open={asking} title={text.clearTitle} action={text.clear} cancel={common.cancel} onClose={() => setAsking(false)} onConfirm={clear}><p>{text.clearWhat}</p></Confirm>
    </>
  )
}
