/** Uploading: files are dropped or chosen, several at once, and shown on their way. */
import { CloudUpload, FileVideo, X } from 'lucide-preact'
import { useQuery } from '@tanstack/preact-query'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { may } from '../../api/channels'
import { api, ask, type Channel, type Schemas } from '../../api/client'
import { at, bytes, common, upload, uploading } from '../../text'
import { attempt, toast } from '../../ui/overlay'
import { Failure, useTitle } from '../../ui/page'
import { adopt, arrived, begin, fits, others, refusal, transfers, type Chosen } from '../../uploads'
import { choose, refresh, useMine } from './mine'
import { ForEditors, NoChannel } from './none'
import { UploadCard } from './upload-card'

const LOOK_MS = 3_000

export default function Upload() {
  useTitle(upload.title)
  const { channels, channel, isPending, error, refetch } = useMine()
  const open = channels.filter((each) => may(each, 'edit'))
  const target = open.find((each) => each.id === channel?.id) ?? open[0]
  return (
    <div class="page middle">
      <h1>{upload.title}</h1>
      {isPending ? <div class="bone drop" role="status" aria-label={common.loading} /> : error && !channels.length ? <Failure error={error} retry={refetch} /> : target && channel ? (
        <>
          {target.id !== channel.id && <p class="notice">{upload.instead(channel.name, target.name)}</p>}
          <Sender channels={open} channel={target} />
        </>
      ) : channel ? (
        <ForEditors channel={channel} />
      ) : (
        <NoChannel />
      )}
    </div>
  )
}

function Sender({ channels, channel }: { channels: readonly Channel[]; channel: Channel }) {
  const id = useId()
  const meta = useQuery({ queryKey: ['meta'], queryFn: () => ask(api.GET('/v1/meta')), staleTime: Infinity })
  const [refused, setRefused] = useState<readonly string[]>([])
  const most = meta.data?.limits.max_file_bytes
  function take(chosen: readonly Chosen[]): void {
    const wrong: string[] = []
    for (const each of chosen) {
      const why = refusal(each.file, most)
      if (why) wrong.push(upload.refused(each.file.name, why))
      else begin(each, channel.id)
    }
    setRefused(wrong)
  }
  const over = useDrop(take)
  return (
    <>
      <section class={over ? 'drop over' : 'drop'}>
        <CloudUpload aria-hidden />
        <h2>{over ? upload.dropNow : upload.drop}</h2>
        <p class="soft">{upload.dropWhy}</p>
        <label class="button accent file">
          <FileVideo aria-hidden />{upload.choose}
          <input type="file" multiple accept="video/*,audio/*,.mkv,.mxf,.ts,.m2ts,.mts,.flv" aria-label={upload.choose} onChange={(event) => {
            const files = [...(event.currentTarget.files ?? [])]
            event.currentTarget.value = ''
            take(files.map((file) => ({ file })))
          }} />
        </label>
        <div class="row wrap small soft">
          {channels.length > 1 ? (
            <>
              <label for={id}>{upload.to}</label>
              <select id={id} class="input compact" value={channel.id} onChange={(event) => choose(event.currentTarget.value)}>
                {channels.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
              </select>
            </>
          ) : (
            <span>{upload.to} <strong class="person">{channel.name}</strong></span>
          )}
          <span class={most === undefined ? 'unseen' : ''}>· {upload.limit(most ?? 1)}</span>
        </div>
      </section>
      <div role="alert" class="refused">
        {refused.map((each) => (
          <div key={each} class="notice wrong">
            <span class="grow">{each}</span>
            <button class="button small icon bare" type="button" aria-label={common.close} onClick={() => setRefused(refused.filter((other) => other !== each))}><X aria-hidden /></button>
          </div>
        ))}
      </div>
      {transfers.value.length > 0 && (
        <section class="stack">
          <h2>{upload.running}</h2>
          {transfers.value.toReversed().map((each) => <UploadCard key={each.kept.key} transfer={each} />)}
        </section>
      )}
      <Others />
    </>
  )
}

/** Files that are dropped anywhere on the page. Answers whether some are held over it. */
function useDrop(take: (chosen: readonly Chosen[]) => void): boolean {
  const [over, setOver] = useState(false)
  const taking = useRef(take)
  taking.current = take
  useEffect(() => {
    let depth = 0
    const files = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
    function enter(event: DragEvent): void {
      if (files(event) && (depth += 1) === 1) setOver(true)
    }
    function leave(event: DragEvent): void {
      if (files(event) && (depth -= 1) === 0) setOver(false)
    }
    function move(event: DragEvent): void {
      if (files(event)) event.preventDefault()
    }
    function drop(event: DragEvent): void {
      if (!files(event)) return
      event.preventDefault()
      depth = 0
      setOver(false)
      void dropped(event.dataTransfer).then((chosen) => taking.current(chosen))
    }
    addEventListener('dragenter', enter)
    addEventListener('dragleave', leave)
    addEventListener('dragover', move)
    addEventListener('drop', drop)
    return () => {
      removeEventListener('dragenter', enter)
      removeEventListener('dragleave', leave)
      removeEventListener('dragover', move)
      removeEventListener('drop', drop)
    }
  }, [])
  return over
}

// Chromium's own: with a handle the file can be opened again after a reload, however large it is.
type WithHandle = DataTransferItem & { getAsFileSystemHandle?: () => Promise<FileSystemHandle | null> }

async function dropped(data: DataTransfer | null): Promise<readonly Chosen[]> {
  const items = [...(data?.items ?? [])].filter((each) => each.kind === 'file') // read before the first await: then they are gone
  const found = items.map((item: WithHandle) => [item.getAsFile(), item.getAsFileSystemHandle?.().catch(() => null)] as const)
  return Promise.all(found.flatMap(([file, handle]) => (file ? [withHandle(file, handle)] : [])))
}

async function withHandle(file: File, handle?: Promise<FileSystemHandle | null>): Promise<Chosen> {
  const opened = await handle
  return opened?.kind === 'file' ? { file, handle: opened as FileSystemFileHandle } : { file }
}

function Others() {
  const { data } = useQuery({
    queryKey: ['studio', 'others', transfers.value.map((each) => each.kept.upload ?? '')],
    queryFn: others,
    placeholderData: (before) => before,
    refetchInterval: ({ state }) => (state.data?.elsewhere.length ? LOOK_MS : false),
  })
  const here = new Set(transfers.value.map((each) => each.kept.upload))
  const elsewhere = data?.elsewhere.filter((each) => !here.has(each.id)) ?? []
  return (
    <>
      {elsewhere.length > 0 && (
        <section class="stack">
          <h2>{upload.elsewhere}</h2>
          {elsewhere.map((each) => <Elsewhere key={each.id} view={each} />)}
        </section>
      )}
      {!!data?.strangers.length && (
        <section class="stack">
          <h2>{upload.strangers}</h2>
          <p class="small soft">{upload.strangersWhy}</p>
          {data.strangers.map((each) => <Stranger key={each.id} view={each} />)}
        </section>
      )}
    </>
  )
}

/** What another tab sends, as far as the server has it. */
function Elsewhere({ view }: { view: Schemas['UploadView'] }) {
  const { data } = useQuery({
    queryKey: ['studio', 'upload', view.id],
    queryFn: () => ask(api.GET('/v1/uploads/{upload_id}', { params: { path: { upload_id: view.id } } })),
    refetchInterval: LOOK_MS,
  })
  const sent = arrived(data ?? view)
  return (
    <article class="panel upload stack tight" aria-label={view.filename}>
      <h3 class="clip person">{view.filename}</h3>
      <progress class="bar" max={view.size_bytes} value={sent} aria-label={`${upload.phases.sending}: ${view.filename}`} />
      <p class="small soft figures">{upload.progress(sent, view.size_bytes)}</p>
    </article>
  )
}

function Stranger({ view }: { view: Schemas['UploadView'] }) {
  const [wrong, setWrong] = useState<string | null>(null)
  return (
    <article class="panel upload" aria-label={view.filename}>
      <div class="row wrap">
        <div class="grow">
          <h3 class="clip person">{view.filename}</h3>
          <p class="small soft">{bytes(view.size_bytes)} · {upload.until(at(view.expires_at))}</p>
        </div>
        <label class="button small file">
          <FileVideo aria-hidden />{upload.chooseAgain}
          <input type="file" aria-label={`${upload.chooseAgain}: ${view.filename}`} onChange={(event) => {
            const file = event.currentTarget.files?.[0]
            event.currentTarget.value = ''
            if (!file) return
            if (fits(view, file)) adopt(view, file)
            else setWrong(uploading.another(view.filename))
          }} />
        </label>
        <button class="button small bare" type="button" onClick={() => void attempt(async () => {
          await ask(api.POST('/v1/uploads/{upload_id}/cancel', { params: { path: { upload_id: view.id } } }))
          toast(upload.cancelled)
          refresh()
        })}>{upload.cancel}</button>
      </div>
      {wrong && <p class="small wrong-text" role="alert">{wrong}</p>}
    </article>
  )
}
