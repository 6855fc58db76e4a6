import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AdminReport } from '../../../src/admin/admin-report.js';
import { readQuery } from '../../../src/admin/query.js';
import { StateView } from '../../../src/admin/state-view.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a report keeps its texts for the readers of one sample, and for ten seconds at most', () => {
  const view = new StateView({
    members: () => [],
    totals: () => [],
    backends: () => [],
    programs: () => [],
    peers: undefined,
  });
  // One sample for all calls: only a text that is no longer kept is made again.
  const sample = view.sampler.sample();
  vi.spyOn(view.sampler, 'sample').mockReturnValue(sample);
  const select = vi.spyOn(view, 'select');
  const report = new AdminReport([view], () => false);
  const query = readQuery('');
  report.text(query);
  report.text(query);
  expect(select).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(10_000);
  report.text(query);
  expect(select).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(10_000);
  expect(vi.getTimerCount()).toBe(0);
});
