let count = 0;

/**
 * Called when a request handler created a tunnel object and passed the current request to it. At the first call this may be a
 * test, or an app that is created on demand. At the second call, the app creates a tunnel object for each request, which makes
 * counts, balancing and limits useless.
 */
export function noteTunnelOfRequest(): void {
  count++;
  if (count !== 2) return;
  process.emitWarning(
    'wstunnel: wstunnel() was called in a request handler. Call it once, when the app is created, and mount the middleware that it ' +
      'returns; to choose the backend for each request, give a function as the option server',
    { code: 'WSTUNNEL_PER_REQUEST' },
  );
}
