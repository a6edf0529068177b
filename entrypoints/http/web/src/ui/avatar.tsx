/** The picture of a person or a channel, or their first letter. Decorative: the name stands beside it. */
export function Avatar({ name, url, size = '2.25rem' }: { name: string; url?: string | null | undefined; size?: string }) {
  return (
    <span class="avatar" aria-hidden ref={(each) => each?.style.setProperty('--size', size)}>
      {url ? <img src={url} alt="" loading="lazy" decoding="async" /> : [...name.trim()][0] ?? '?'}
    </span>
  )
}
