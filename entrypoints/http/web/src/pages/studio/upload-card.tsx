/** One upload: how far it is, what can be done with it, and meanwhile what is said about its video. */
import { CircleAlert, CircleCheck, CirclePause, FileVideo, LoaderCircle, Pause, Play, RotateCcw, WifiOff, X } from 'lucide-preact'
import { useState } from 'preact/hooks'
import { Problem } from '../../api/client'
import { useOwnVideo } from '../../api/processing'
import { common, upload } from '../../text'
import { copy } from '../../ui/copy'
import { Confirm, attempt, toast } from '../../ui/overlay'
import { Failure, Wrong, said } from '../../ui/page'
import { to } from '../../ui/link'
import { dismiss, give, reopen, transfers, type Phase, type Transfer } from '../../uploads'
import { Details } from './details'
import { Processing } from './progress'

const ICONS: Readonly<Record<Phase, typeof Play>> = {
  choosing: FileVideo, announcing: LoaderCircle, sending: LoaderCircle, waiting: WifiOff, paused: CirclePause,
  finishing: LoaderCircle, sent: CircleCheck, failed: CircleAlert, cancelled: X,
}

export function UploadCard({ transfer }: { transfer: Transfer }) {
  const { phase, problem } = transfer.state.value
  const { kept } = transfer
  const [newest] = useState(() => transfers.peek().at(-1) === transfer) // of several, one form is enough to begin with
  return (
    <article class="panel upload" aria-label={kept.name}>
      <Sending transfer={transfer} />
      {phase === 'failed' && <Wrong error={problem} />}
      {phase === 'choosing' && <Again transfer={transfer} />}
      {kept.video && phase !== 'cancelled' && <About id={kept.video} sent={phase === 'sent'} replaces={kept.replaces !== undefined} open={newest} />}
    </article>
  )
}

/** The bar, and the buttons that go with it. */
export function Sending({ transfer }: { transfer: Transfer }) {
  const { phase, sent, rate, problem } = transfer.state.value
  const [asking, setAsking] = useState(false)
  const Icon = ICONS[phase]
  const { kept } = transfer
  const moving = ['announcing', 'sending', 'finishing'].includes(phase)
  const busy = phase === 'waiting' && problem instanceof Problem && problem.status > 0
  return (
    <div class="sending">
      <div class="row">
        <Icon class={moving ? 'mark spin' : `mark ${phase}`} aria-hidden />
        <div class="grow">
          <h3 class="clip person">{kept.name}</h3>
          {kept.replaces && <p class="tiny soft">{upload.replacing}</p>}
        </div>
        {transfer.busy && <button class="button icon bare" type="button" aria-label={`${upload.pause}: ${kept.name}`} title={upload.pause} onClick={() => transfer.pause()}><Pause aria-hidden /></button>}
        {phase === 'paused' && <button class="button icon bare" type="button" aria-label={`${upload.resume}: ${kept.name}`} title={upload.resume} onClick={() => transfer.start()}><Play aria-hidden /></button>}
        {phase === 'failed' && transfer.file && <button class="button small" type="button" onClick={() => transfer.start()}><RotateCcw aria-hidden />{upload.retry}</button>}
        {phase === 'sent' ? (
          <button class="button icon bare" type="button" aria-label={`${upload.dismiss}: ${kept.name}`} title={upload.dismiss} onClick={() => dismiss(transfer)}><X aria-hidden /></button>
        ) : (
          phase !== 'cancelled' && <button class="button icon bare" type="button" aria-label={`${upload.cancel}: ${kept.name}`} title={upload.cancel} onClick={() => setAsking(true)}><X aria-hidden /></button>
        )}
      </div>
      {phase !== 'sent' && <progress class="bar" max={kept.size} value={sent} aria-label={`${upload.phases.sending}: ${kept.name}`} />}
      <p class="row wrap apart small soft figures">
        <span role="status">{busy ? upload.busy : upload.phases[phase]}</span>
        {phase !== 'sent' && (
          <span>
            {upload.progress(sent, kept.size)}
            {rate > 0 && phase === 'sending' && ` · ${upload.rate(rate)} · ${upload.left((kept.size - sent) / rate)}`}
          </span>
        )}
      </p>
      {busy && <p class="small soft">{said(problem)}</p>}
      <Confirm open={asking} title={upload.cancelTitle} action={upload.cancel} cancel={upload.cancelNo} onClose={() => setAsking(false)}
        onConfirm={() => attempt(async () => {
          await transfer.cancel()
          toast(upload.cancelled)
        })}>
        <p>{upload.cancelWhy(kept.name)}</p>
      </Confirm>
    </div>
  )
}

/** After a reload the browser may need people to choose the file, or at least to click. */
function Again({ transfer }: { transfer: Transfer }) {
  const [wrong, setWrong] = useState<string | null>(null)
  return (
    <div class="stack tight">
      <p class="small">{upload.chooseAgainWhy(transfer.kept.name)}</p>
      <div class="row wrap">
        {transfer.kept.handle && (
          <button class="button small accent" type="button" onClick={() => void reopen(transfer).then((opened) => !opened && setWrong(upload.chooseAgain))}><Play aria-hidden />{upload.goOn}</button>
        )}
        <label class="button small line file">
          <FileVideo aria-hidden />{upload.chooseAgain}
          <input type="file" aria-label={`${upload.chooseAgain}: ${transfer.kept.name}`} onChange={(event) => {
            const file = event.currentTarget.files?.[0]
            event.currentTarget.value = ''
            if (file) setWrong(give(transfer, file))
          }} />
        </label>
      </div>
      {wrong && <p class="small wrong-text" role="alert">{wrong}</p>}
    </div>
  )
}

function About({ id, sent, replaces, open }: { id: string; sent: boolean; replaces: boolean; open: boolean }) {
  const { data: video, error, refetch } = useOwnVideo(id, sent)
  if (error && !video) return <Failure error={error} retry={refetch} />
  if (!video) return <div class="bone upload-bone" role="status" aria-label={common.loading} />
  return (
    <>
      {sent && <Processing video={video} />}
      {sent && video.processing.state === 'ready' && <Shared id={id} />}
      {!replaces && (
        <details open={open}>
          <summary>{upload.details}</summary>
          <Details video={video} brief />
          <p class="small"><a href={`/studio/videos/${id}`}>{upload.more}</a></p>
        </details>
      )}
    </>
  )
}

function Shared({ id }: { id: string }) {
  return (
    <div class="row wrap">
      <a class="button accent" href={to.watch({ id })}><Play aria-hidden />{upload.watch}</a>
      <button class="button" type="button" onClick={() => void copy(location.origin + to.watch({ id }))}>{upload.copy}</button>
    </div>
  )
}
