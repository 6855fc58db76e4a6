import { fail } from '../options/checks/fail.js';

/** Names the usual mistakes with the client, which the check of its methods alone would report as another kind of object. @throws {TunnelError} */
export function refuseMistakenClient(client: unknown): void {
  if (typeof client !== 'object' || client === null) return;
  if (isMethod(client, 'then'))
    fail('client', 'must be a client, not a promise: await the promise first', client);
  if (isMethod(client, 'execute') && !isMethod(client, 'subscribe'))
    fail(
      'client',
      'must be a single client, cluster or sentinel, not a pool: give the result of createClient()',
      client,
    );
}

function isMethod(client: object, name: string): boolean {
  return typeof (client as Record<string, unknown>)[name] === 'function';
}
