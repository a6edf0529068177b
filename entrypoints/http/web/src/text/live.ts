import { duration } from './common'

export const live = {
  viewers: 'Watching now',
  since: (when: string) => `Live since ${when}`,
  interruptedTitle: 'The stream is interrupted',
  interrupted: 'Waiting for it to come back. It goes on here by itself.',
  offlineTitle: 'Not live right now',
  offline: 'When a broadcast begins, it plays here by itself.',
  soonTitle: 'It begins soon',
  startsAt: (when: string) => `Announced for ${when}`,
  startsIn: (left: string) => `Begins in ${left}`,
  anyMoment: 'It is to begin any moment now.',
  days: (count: number, rest: string) => (count === 1 ? `1 day, ${rest}` : `${count} days, ${rest}`),
  left: (seconds: number) => {
    const days = Math.floor(seconds / 86_400)
    return days ? live.days(days, duration(seconds % 86_400)) : duration(seconds)
  },
  disabledTitle: 'This stream is switched off',
  endedTitle: 'The broadcast is over',
  ended: 'Thanks for watching.',
  recordingMade: 'Its recording is being made, and is linked here when it is ready.',
  recordingLater: 'If there is a recording of it, it will be among the videos of the channel.',
  recordingReady: 'Watch the recording',
  recordingFailed: 'The recording could not be made.',
  again: 'When the next one begins, it plays here by itself.',
  share: 'Share',
  shareTitle: 'Share this stream',
  link: 'Link',
  copyLink: 'Copy the link',
  control: 'Control room',
  description: 'About this stream',
  whole: 'Show more',
  less: 'Show less',
  note: 'Note of the channel',
}
