import { isDeepStrictEqual } from 'node:util';
import { drainTimesOf } from '../../drain.js';
import type { Plan } from '../plan.js';

/** Has a setting changed that a reload can't apply? The servers and the log are created at the start. */
export function needsRestart(next: Plan, running: Plan): boolean {
  return (
    !isDeepStrictEqual(next.listen, running.listen) ||
    !next.tls !== !running.tls ||
    next.log !== running.log ||
    next.acceptProxy !== running.acceptProxy ||
    (running.acceptProxy && !isDeepStrictEqual(next.trustProxy, running.trustProxy)) ||
    next.workers !== running.workers ||
    !isDeepStrictEqual(next.shared, running.shared) ||
    next.maxConnections !== running.maxConnections ||
    !isDeepStrictEqual(next.user, running.user) ||
    !isDeepStrictEqual(next.unix, running.unix) ||
    !isDeepStrictEqual(next.health, running.health) ||
    !isDeepStrictEqual(next.metrics, running.metrics) ||
    !isDeepStrictEqual(drainTimesOf(next), drainTimesOf(running))
  );
}
