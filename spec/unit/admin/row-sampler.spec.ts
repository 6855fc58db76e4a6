import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RowSampler } from '../../../src/admin/row-sampler.js';
import type { SampledTunnel, TunnelRow } from '../../../src/admin/tunnel-row.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

class FakeTunnel implements SampledTunnel {
  bytesIn = 0;
  bytesOut = 0;
  samples = 0;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  info() {
    const { bytesIn, bytesOut } = this;
    return {
      id: this.id,
      url: '/u',
      address: '::1',
      backend: 'b',
      since: 1,
      bytesIn,
      bytesOut,
      viewOnly: false,
    };
  }

  sample(row: TunnelRow): void {
    this.samples++;
    row.bytesIn = this.bytesIn;
    row.bytesOut = this.bytesOut;
  }
}

function start(...tunnels: FakeTunnel[]) {
  const open = new Set(tunnels);
  const sampler = new RowSampler(
    () => [{ name: 'vnc', open }],
    () => undefined,
  );
  const rates = () => sampler.sample().rows.map(({ id, received, sent }) => [id, received, sent]);
  return { open, sampler, rates };
}

describe('RowSampler', () => {
  test('measures rates between two samples, none at the first', () => {
    const tunnel = new FakeTunnel('a');
    tunnel.bytesIn = 5000;
    const { rates, sampler } = start(tunnel);
    expect(rates()).toEqual([['a', 0, 0]]);
    tunnel.bytesIn += 3000;
    tunnel.bytesOut += 100;
    vi.advanceTimersByTime(2000);
    expect(rates()).toEqual([['a', 1500, 50]]);
    expect(sampler.sample()).toMatchObject({ bytesIn: 8000, bytesOut: 100, received: 1500, sent: 50 });
    vi.advanceTimersByTime(1000);
    expect(rates()).toEqual([['a', 0, 0]]);
  });

  test('counts all bytes of a tunnel that was opened since the last sample', () => {
    const { open, rates } = start();
    rates();
    const tunnel = new FakeTunnel('new');
    tunnel.bytesOut = 400;
    open.add(tunnel);
    vi.advanceTimersByTime(1000);
    expect(rates()).toEqual([['new', 0, 400]]);
  });

  test('shows no negative rate when the byte counts fall', () => {
    const tunnel = new FakeTunnel('a');
    tunnel.bytesOut = 900;
    const { rates } = start(tunnel);
    rates();
    tunnel.bytesOut = 500;
    vi.advanceTimersByTime(1000);
    expect(rates()).toEqual([['a', 0, 0]]);
  });

  test('samples each tunnel once a second, however many readers there are', () => {
    const tunnel = new FakeTunnel('a');
    const { sampler } = start(tunnel);
    for (let reads = 0; reads < 100; reads++) {
      sampler.sample();
      vi.advanceTimersByTime(50);
    }
    expect(tunnel.samples).toBeLessThanOrEqual(6);
  });

  test('lists the tunnels again after refresh(), and measures no rate of a short time', () => {
    const tunnel = new FakeTunnel('a');
    const { open, sampler, rates } = start(tunnel);
    rates();
    tunnel.bytesIn = 1000;
    vi.advanceTimersByTime(1000);
    rates();
    tunnel.bytesIn = 3000;
    vi.advanceTimersByTime(1);
    open.add(new FakeTunnel('b'));
    sampler.refresh();
    expect(rates()).toEqual([
      ['a', 1000, 0],
      ['b', 0, 0],
    ]);
    vi.advanceTimersByTime(999);
    expect(rates()[0]).toEqual(['a', 2000, 0]);
  });

  test('keeps no row of an ended tunnel, and no timer and no row ten seconds after the last reader', () => {
    const { open, sampler } = start(new FakeTunnel('a'), new FakeTunnel('b'));
    const [row] = sampler.sample().rows;
    open.clear();
    open.add(new FakeTunnel('c'));
    vi.advanceTimersByTime(1000);
    expect(sampler.sample().rows.map(({ id }) => id)).toEqual(['c']);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(10_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(sampler.sample().rows).not.toContain(row);
    expect(sampler.sample().received).toBe(0);
  });

  test('samples thousands of tunnels in several turns, and the rates are those of one sample', async () => {
    vi.useRealTimers();
    const tunnels = Array.from({ length: 1700 }, (_, index) => new FakeTunnel(String(index)));
    const { open, sampler } = start(...tunnels);
    const preparing = sampler.prepare();
    // Both callers share one sample.
    const again = sampler.prepare();
    expect(tunnels.filter(({ samples }) => samples > 0)).toHaveLength(500);
    const closed = tunnels.at(-1)!;
    open.delete(closed);
    await Promise.all([preparing, again]);
    expect(sampler.sample().rows.map(({ id }) => id)).toEqual(tunnels.slice(0, -1).map(({ id }) => id));
    expect(tunnels.map(({ samples }) => samples)).toEqual(
      tunnels.map((tunnel) => (tunnel === closed ? 0 : 1)),
    );
  });

  test('a sample taken at once meanwhile is complete, and forgets no tunnel', async () => {
    vi.useRealTimers();
    const tunnels = Array.from({ length: 1200 }, (_, index) => new FakeTunnel(String(index)));
    const { sampler } = start(...tunnels);
    const preparing = sampler.prepare();
    expect(sampler.sample().rows).toHaveLength(1200);
    await preparing;
    expect(sampler.sample().rows).toHaveLength(1200);
  });
});
