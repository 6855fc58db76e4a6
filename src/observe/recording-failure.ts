import { messageOf } from '../errors.js';

const reported = new WeakSet<object>();

/** Warns of a failed recording, once for each error: a recorder that throws may have reported the error already. */
export function reportRecordingFailure(what: string, error: unknown): void {
  if (typeof error === 'object' && error !== null) {
    if (reported.has(error)) return;
    reported.add(error);
  }
  process.emitWarning(`wstunnel: ${what} failed: ${messageOf(error)}`, { code: 'WSTUNNEL_RECORD' });
}
