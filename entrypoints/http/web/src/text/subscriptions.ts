export const subscriptions = {
  title: 'Subscriptions',
  parts: 'What to show',
  latest: 'Latest',
  channels: 'Channels',
  live: 'Live now',
  nobodyTitle: 'You follow no channel yet',
  nobody: 'Subscribe to channels that you like, and what they publish is gathered here.',
  look: 'Look around',
  noVideosTitle: 'Nothing new',
  noVideos: 'The channels that you follow have published nothing yet.',
}
