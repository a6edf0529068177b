export const history = {
  title: 'History',
  watched: 'Watched',
  clear: 'Clear the history',
  clearTitle: 'Clear the history?',
  clearWhat: 'What you watched, and how far, is forgotten. This cannot be taken back.',
  remove: (title: string) => `Remove “${title}” from the history`,
  removeShort: 'Remove from the history',
  emptyTitle: 'Nothing watched yet',
  empty: 'Videos that you watch are kept here, so that you find them again and go on where you stopped.',
  look: 'Find something to watch',
}
