import { describe, expect, test } from 'vitest';
import { TunnelError } from '../../../../src/errors.js';
import { LabelCounts } from '../../../../src/observe/metrics/label-counts.js';
import { closeCodeLabel, outcomeOf } from '../../../../src/observe/metrics/labels.js';
import { OpenSums } from '../../../../src/observe/metrics/open-sums.js';
import { TunnelCounts } from '../../../../src/observe/metrics/tunnel-counts.js';
import { codeOf } from '../../../../src/streams/close-causes.js';
import type { CloseCause } from '../../../../src/types.js';

describe('labels are bounded', () => {
  test('a flood of close codes adds one series', () => {
    const counts = new TunnelCounts();
    for (let code = 3000; code < 5000; code++) if (code !== 4409) counts.noteClosed('client-closed', code, 1);
    counts.noteClosed('client-closed', 1000, 1);
    counts.noteClosed('replaced', 4409, 1);
    expect([...counts.closed.entries()]).toEqual([
      ['client-closed other', 1999],
      ['client-closed 1000', 1],
      ['replaced 4409', 1],
    ]);
    expect(counts.tunnelSeconds.count).toBe(2001);
  });

  test('the default codes of all ends have a label of their own', () => {
    const causes: CloseCause[] = ['client-closed', 'backend-ended', 'drain', 'idle', 'replaced', 'not-utf8'];
    expect(causes.map((cause) => closeCodeLabel(codeOf(cause)))).not.toContain('other');
  });

  test('values above the limit are counted together', () => {
    const counts = new LabelCounts(2);
    for (const value of ['a', 'b', 'c', 'd', 'a']) counts.add(value);
    expect(Object.fromEntries(counts.entries())).toEqual({ a: 2, b: 1, other: 2 });
  });

  test('tunnels to hosts that no options list are counted together', () => {
    const sums = new OpenSums(['10.0.0.1:5900']);
    sums.add('10.0.0.1:5900', 1, 2, 3, 4);
    sums.add('10.0.0.2:5900', 1, 2, 3, 4);
    sums.add('10.0.0.3:5900', 1, 2, 3, 4);
    expect([...sums.byHost]).toEqual([
      ['10.0.0.1:5900', 1],
      ['dynamic', 2],
    ]);
    expect(sums).toMatchObject({ tunnels: 3, received: 3, sent: 6, queuedToBackend: 9, queuedToClient: 12 });
  });
});

test('an opening handshake is refused by a 4xx status and failed by a 5xx status', () => {
  const outcome = (...args: ConstructorParameters<typeof TunnelError>) => outcomeOf(new TunnelError(...args));
  expect(outcome('WSTUNNEL_NOT_AUTHENTICATED', '')).toBe('refused');
  expect(outcome('WSTUNNEL_BACKEND_REFUSED', '')).toBe('failed');
  expect(outcome('WSTUNNEL_CLIENT_GONE', '')).toBe('gone');
  expect(outcome('WSTUNNEL_BACKEND_ANSWERED', '', { status: 403 })).toBe('refused');
});

test('the byte counters do not fall when the bytes of a tunnel do', () => {
  const counts = new TunnelCounts();
  expect(counts.rising(100, 50)).toEqual({ received: 100, sent: 50 });
  expect(counts.rising(90, 60)).toEqual({ received: 100, sent: 60 });
  expect(counts.rising(110, 10)).toEqual({ received: 110, sent: 60 });
});
