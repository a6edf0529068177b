export const subscribe = {
  subscribe: 'Subscribe',
  subscribed: 'Subscribed',
  unsubscribe: 'Unsubscribe',
  to: (name: string) => `Subscribe to ${name}`,
  subscribedTo: (name: string) => `Subscribed to ${name}`,
  levels: { all: 'All news of it', live: 'Only when it is live', none: 'No news of it' },
}
