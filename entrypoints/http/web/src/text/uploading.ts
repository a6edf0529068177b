import { bytes } from './common'

export const uploading = {
  over: 'This upload is over: the server waits for it no more.',
  changed: 'The file was changed or moved while it was being sent. Choose it again.',
  another: (name: string) => `That is another file. Choose ${name}, as it was.`,
  noVideo: (type: string) => `Not a video: ${type}.`,
  empty: 'There is nothing in this file.',
  tooLarge: (size: number, most: number) => `This file has ${bytes(size)}, and no more than ${bytes(most)} are taken.`,
  indicator: (count: number, percent: number) => `${count === 1 ? '1 upload' : `${count} uploads`}, ${percent} %`,
  indicatorWaiting: (count: number) => `${count === 1 ? '1 upload waits' : `${count} uploads wait`}`,
}
