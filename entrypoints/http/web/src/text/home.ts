export const home = {
  title: 'Home',
  live: 'Live now',
  subscriptions: 'From your subscriptions',
  latest: 'Latest',
  emptyTitle: 'Nothing has been published yet',
  empty: 'Be the first: open a channel and upload a video, or go live.',
}
