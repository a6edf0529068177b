/** How often and for how long things were watched, day by day: of a channel, and of one video. */
import { ChartColumn } from 'lucide-preact'
import { keepPreviousData, useQuery } from '@tanstack/preact-query'
import { useMemo, useState } from 'preact/hooks'
import { may } from '../../api/channels'
import { api, ask, type Schemas } from '../../api/client'
import { analytics as text, common, compact, duration, utcDay as day } from '../../text'
import { Failure, State, useTitle } from '../../ui/page'
import { useMine } from './mine'
import { ForEditors, NoChannel } from './none'
import { Plot } from './plot'

type Analytics = Schemas['AnalyticsView']
const RANGES = [7, 28, 90, 365] as const
const DAY_MS = 86_400_000

/** The last days, today included, as the API names them: in UTC. */
function lastDays(count: number): { from: string; to: string } {
  const name = (when: number) => new Date(when).toISOString().slice(0, 10)
  return { from: name(Date.now() - (count - 1) * DAY_MS), to: name(Date.now()) }
}

export const ofChannel = (id: string, days: number) => ask(api.GET('/v1/channels/{channel_id}/analytics', { params: { path: { channel_id: id }, query: lastDays(days) } }))
const ofVideo = (id: string, days: number) => ask(api.GET('/v1/videos/{video_id}/analytics', { params: { path: { video_id: id }, query: lastDays(days) } }))

export default function ChannelAnalytics() {
  useTitle(text.title)
  const { channel, isPending, error, refetch } = useMine()
  return (
    <div class="page middle">
      <h1>{text.title}</h1>
      {channel ? may(channel, 'edit') ? <Watched key={channel.id} of={channel.id} fetch={ofChannel} /> : <ForEditors channel={channel} /> : isPending ? <Bones /> : error ? <Failure error={error} retry={refetch} /> : <NoChannel />}
    </div>
  )
}

export function VideoPlot({ id }: { id: string }) {
  return <Watched of={id} fetch={ofVideo} />
}

function Watched({ of, fetch }: { of: string; fetch: (id: string, days: number) => Promise<Analytics> }) {
  const [days, setDays] = useState<number>(28)
  const { data, error, refetch } = useQuery({ queryKey: ['studio', 'analytics', of, days], queryFn: () => fetch(of, days), placeholderData: keepPreviousData })
  return (
    <div class="stack loose">
      <div class="chips" role="group" aria-label={text.range}>
        {RANGES.map((each) => <button key={each} class="chip" type="button" aria-pressed={days === each} onClick={() => setDays(each)}>{text.days(each)}</button>)}
      </div>
      {data ? <Numbers data={data} /> : error ? <Failure error={error} retry={refetch} /> : <Bones />}
    </div>
  )
}

function Numbers({ data }: { data: Analytics }) {
  const { views, watch_time_s: watched } = data.totals
  const viewPoints = useMemo(() => data.data.map((each) => ({ day: each.day, value: each.views })), [data])
  const unit = Math.max(...data.data.map((each) => each.watch_time_s)) < 2 * 3600 ? 60 : 3600 // minutes say more of little
  const watchedPoints = useMemo(() => data.data.map((each) => ({ day: each.day, value: each.watch_time_s / unit })), [data])
  const watchedTitle = unit === 60 ? text.byDay.minutes : text.byDay.hours
  const [from, to] = [day(data.from), day(data.to)]
  return (
    <>
      <div role="status">
        <dl class="tiles">
          <div class="panel"><dt>{text.views}</dt><dd>{compact(views)}</dd></div>
          <div class="panel"><dt>{text.watched}</dt><dd>{text.hours(watched)}</dd></div>
          <div class="panel"><dt>{text.average}</dt><dd>{views ? duration(watched / views) : '–'}</dd></div>
        </dl>
      </div>
      {views || watched ? (
        <>
          <div class="panel"><Plot title={text.byDay.views} label={text.plotOf(text.byDay.views, from, to)} points={viewPoints} said={common.views} /></div>
          <div class="panel"><Plot title={watchedTitle} label={text.plotOf(watchedTitle, from, to)} points={watchedPoints} said={(value) => text.hours(value * unit)} /></div>
          <details class="panel">
            <summary>{text.table}</summary>
            <table class="numbers">
              <thead><tr><th scope="col">{text.day}</th><th scope="col">{text.views}</th><th scope="col">{text.watched}</th></tr></thead>
              <tbody>
                {data.data.toReversed().map((each) => <tr key={each.day}><th scope="row">{day(each.day)}</th><td>{each.views}</td><td>{text.hours(each.watch_time_s)}</td></tr>)}
              </tbody>
            </table>
          </details>
        </>
      ) : (
        <State icon={<ChartColumn aria-hidden />} title={text.none}><p>{text.noneWhy}</p></State>
      )}
    </>
  )
}

function Bones() {
  return (
    <div class="stack loose" role="status" aria-label={common.loading}>
      <div class="tiles">{[1, 2, 3].map((each) => <div key={each} class="panel bone tile-bone" aria-hidden />)}</div>
      <div class="bone plot-bone" aria-hidden />
      <div class="bone plot-bone" aria-hidden />
    </div>
  )
}
