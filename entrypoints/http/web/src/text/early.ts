export const early = {
  failed: 'Hexcast could not be loaded. Check that it is running and that you are connected, then load this page again.',
}
