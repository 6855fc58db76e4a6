import { messageOf } from '../errors.js';

const reported = new WeakSet<object>();

/** Reports a failed recording, once for each error: a recorder that throws may have reported the error already. */
export function reportRecordingFailure(what: string, error: unknown, report = warn): void {
  if (typeof error === 'object' && error !== null) {
    if (reported.has(error)) return;
    reported.add(error);
  }
  report(`${what} failed: ${messageOf(error)}`);
}

function warn(message: string): void {
  process.emitWarning(`wstunnel: ${message}`, { code: 'WSTUNNEL_RECORD' });
}
