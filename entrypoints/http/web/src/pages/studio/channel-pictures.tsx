/** A channel's avatar and banner: sent to a link of their own, and then named in a change of the channel. */
import { useState } from 'preact/hooks'
import { api, ask, onlyIf, problemOf, type Channel, type Schemas } from '../../api/client'
import { channelEdit as text } from '../../text'
import { Avatar } from '../../ui/avatar'
import { useAction } from '../../ui/form'
import { toast } from '../../ui/overlay'
import { Wrong } from '../../ui/page'
import { PictureInput } from './fields'
import { refresh } from './mine'

type Kind = Schemas['Picture']

async function send(channel: Channel, kind: Kind, file: File): Promise<void> {
  const path = { channel_id: channel.id }
  const ticket = await ask(api.POST('/v1/channels/{channel_id}/images', { params: { path }, body: { kind, size_bytes: file.size } }))
  const answer = await fetch(ticket.url, { method: ticket.method, body: file.slice() }) // without a type, which is not signed
  if (!answer.ok) throw problemOf(await answer.json().catch(() => null), answer.status)
  // The pictures are nobody's typing: over whatever version there is now.
  const { version } = await ask(api.GET('/v1/channels/{channel_id}', { params: { path } }))
  await ask(api.PATCH('/v1/channels/{channel_id}', { params: { path, header: onlyIf(version) }, body: kind === 'avatar' ? { avatar_image_id: ticket.image_id } : { banner_image_id: ticket.image_id } }))
  toast(text.pictureSaved)
  refresh()
}

export function Pictures({ channel }: { channel: Channel }) {
  const [kind, setKind] = useState<Kind | null>(null)
  const action = useAction((wanted: Kind, file: File) => {
    setKind(wanted)
    return send(channel, wanted, file)
  })
  return (
    <div class="form">
      <Wrong error={action.error} />
      <div class="row wrap picture-field">
        <Avatar name={channel.name} url={channel.avatar_url} size="5rem" />
        <PictureInput label={text.avatar} button={text.choose} hint={text.avatarHint} busy={action.busy && kind === 'avatar'} onChoose={(file) => void action.run('avatar', file)} />
      </div>
      <div class="stack">
        <div class="banner">{channel.banner_url ? <img src={channel.banner_url} alt="" /> : null}</div>
        <PictureInput label={text.banner} button={text.choose} hint={text.bannerHint} busy={action.busy && kind === 'banner'} onChoose={(file) => void action.run('banner', file)} />
      </div>
    </div>
  )
}
