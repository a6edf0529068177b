/** What is said of a comment wherever it is shown. */
export const comment = {
  status: { visible: 'Visible', held: 'Waiting for review', rejected: 'Rejected', removed: 'Deleted' },
  rule: { approve: 'Approve', hold: 'Hold back', reject: 'Reject' },
  ruled: {
    approve: 'Approved: everyone can see it.',
    hold: 'Held back: nobody sees it until you approve it.',
    reject: 'Rejected: nobody sees it.',
  },
  removed: 'The comment was deleted.',
  removeTitle: 'Delete this comment?',
  removeWhy: 'It is gone for everyone. Replies to it stay.',
}
