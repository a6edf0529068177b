export const embed = {
  play: (title: string) => `Play: ${title}`,
  open: 'Open the page of this video in a new tab',
  notLive: 'Not live right now.',
  notYet: 'This video is still being processed.',
  away: 'This video is not here, or not for everybody to see.',
  toProduct: 'Open Hexcast',
  failed: 'This video could not be opened.',
  again: 'Try again',
  more: 'More on Hexcast',
}
