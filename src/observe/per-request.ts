let count = 0;

/**
 * A request has made a tunnel and given itself to it. The first may be a test or an app that is made on demand; with the
 * second it is a tunnel for each request, which counts, balances and limits nothing.
 */
export function noteTunnelOfRequest(): void {
  count++;
  if (count !== 2) return;
  process.emitWarning(
    'wstunnel: wstunnel() was called within a request handler. Call it once, when the app is made, and mount what it returns; ' +
      'where only the backend differs from request to request, give a function as the option server',
    { code: 'WSTUNNEL_PER_REQUEST' },
  );
}
