// Stub until the merge.
import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';

export type StartTls = (socket: Duplex, kind: 'x509' | 'anonymous') => Duplex;

export function loginToBackend(
  socket: Duplex,
  login: { username: string; password: string },
  tls: StartTls | undefined,
  signal: AbortState,
): Promise<Duplex> {
  void [login, tls, signal];
  return Promise.resolve(socket);
}
