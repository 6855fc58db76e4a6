import { expect, test } from 'vitest';
import { describeWith } from '../support/programs.js';
import type { End } from './load.js';
import type { Pod, Times } from './pod.js';
import { replaceContainers, rollOutPods, type Rollout } from './rollout.js';

/** `WSTUNNEL_ROLLOUT=long` runs for three minutes, with figures; by default the rollouts are as short as a test can be. */
const IS_LONG = process.env.WSTUNNEL_ROLLOUT === 'long';

const CLIENTS = { newcomersPerSecond: 20, longTunnels: 50 };

const TIMES: Times = IS_LONG
  ? { preStop: 5, linger: 5, grace: 40, spread: 40, drain: 5, propagation: 2, minReady: 2 }
  : { preStop: 1.5, linger: 1, grace: 4, spread: 4, drain: 2, propagation: 0.5, minReady: 0.2 };

/** Seconds by which an end may come early or late, since the clients share two cores with the pods. */
const TOLERANCE = 1.5;

/** Most ends of a pod in a quarter of `spread`, as a part of all: twice as many as evenly spread ends. */
const MOST_IN_QUARTER = 1 / 2;

/** The ends of a pod's long tunnels in seconds after its SIGTERM, in order. */
function endsOf({ load }: Rollout, pod: Pod): { seconds: number[]; ends: End[] } {
  const ends = load.ends.filter((end) => pod.names.includes(end.pod));
  const seconds = ends.map(({ at }) => (at - pod.history.signalled!) / 1000);
  return { seconds: seconds.sort((a, b) => a - b), ends };
}

function mostInWindow(seconds: readonly number[], length: number): number {
  return Math.max(
    0,
    ...seconds.map((start) => seconds.filter((at) => at >= start && at < start + length).length),
  );
}

function expectNobodyDropped(rollout: Rollout, times: Times): void {
  const { load, old, fresh } = rollout;
  expect(load.failures).toEqual([]);
  expect(load.latencies.length).toBe(load.visits);
  // A broken connection has no code.
  expect(load.ends.filter(({ code }) => code !== 1001)).toEqual([]);
  expect(load.pods.size).toBe(CLIENTS.longTunnels);
  for (const pod of old) {
    const { seconds } = endsOf(rollout, pod);
    const { grace } = times;
    const [first = grace, last = grace] = [seconds[0], seconds.at(-1)];
    // Timers of Node may fire a millisecond early.
    expect(first, `${pod.name}: the first Close after SIGTERM`).toBeGreaterThanOrEqual(grace - 0.01);
    expect(last, `${pod.name}: the last Close`).toBeLessThan(grace + times.spread + TOLERANCE);
    const most = Math.ceil(seconds.length * MOST_IN_QUARTER) + 1;
    expect(mostInWindow(seconds, times.spread / 4), `${pod.name}: Closes`).toBeLessThanOrEqual(most);
    expect({ exitCode: pod.exitCode, wasKilled: pod.wasKilled }, pod.output).toEqual({
      exitCode: 0,
      wasKilled: false,
    });
    const { signalled = 0, unready = Infinity, exited = 0 } = pod.history;
    // The health port closes shortly before the exit.
    const early = pod.livenessFailures.filter((at) => at < exited - TOLERANCE * 1000);
    expect(early, `${pod.name}: failed liveness probes`).toEqual([]);
    expect((unready - signalled) / 1000, `${pod.name}: readiness fails`).toBeLessThan(TOLERANCE);
  }
  // Nothing ends in the pods that stay.
  const names = old.flatMap((pod) => pod.names);
  expect(load.ends.filter(({ pod }) => !names.includes(pod))).toEqual([]);
  expect(fresh.map(({ exitCode }) => exitCode)).toEqual(fresh.map(() => null));
}

function report(name: string, rollout: Rollout, times: Times): void {
  if (!IS_LONG) return;
  const { load, old, seconds } = rollout;
  const sorted = [...load.latencies].sort((a, b) => a - b);
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]?.toFixed(1);
  const lines = [
    `${name}: ${seconds.toFixed(1)} s, ${JSON.stringify(times)}`,
    `newcomers: ${load.visits}, failed ${load.failures.length}; to the first echo p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`,
    `long tunnels: ${CLIENTS.longTunnels}, ended ${load.ends.length}, all with a Close: ${load.ends.every(({ code }) => code === 1001)}`,
    ...old.map((pod) => {
      const { seconds: ends } = endsOf(rollout, pod);
      const { deleted = 0, signalled = 0, unready = 0, exited = 0 } = pod.history;
      return [
        `${pod.name}: SIGTERM ${((signalled - deleted) / 1000).toFixed(1)} s after the deletion, not ready ${(unready - signalled).toFixed(0)} ms later;`,
        `${ends.length} ends from ${ends[0]?.toFixed(2)} to ${ends.at(-1)?.toFixed(2)} s after SIGTERM,`,
        `at most ${mostInWindow(ends, times.spread / 4)} in ${times.spread / 4} s, ${mostInWindow(ends, 1)} in 1 s;`,
        `exit ${String(pod.exitCode)} after ${((exited - signalled) / 1000).toFixed(1)} s`,
      ].join(' ');
    }),
  ];
  console.log(lines.join('\n'));
}

describeWith('haproxy')('a rollout of three replicas behind HAProxy', () => {
  test(
    'fails no newcomer, cuts no tunnel before its grace, and spreads the ends',
    { timeout: 180_000 },
    async () => {
      const rollout = await rollOutPods(3, TIMES, CLIENTS);
      report('HAProxy, three replicas', rollout, TIMES);
      expectNobodyDropped(rollout, TIMES);
      expect(rollout.load.ends).toHaveLength(CLIENTS.longTunnels);
    },
  );
});

describeWith('nginx')('two containers behind the nginx of demo/docker, replaced one after the other', () => {
  test('fail no newcomer, and cut no tunnel before its grace', { timeout: 180_000 }, async () => {
    // Compose has no preStop.
    const times: Times = { ...TIMES, preStop: 0, grace: TIMES.grace / 2, spread: TIMES.spread / 2 };
    const rollout = await replaceContainers(times, CLIENTS);
    report('nginx, two containers', rollout, times);
    expectNobodyDropped(rollout, times);
    // All clients have one address, and so the same container.
    expect(rollout.load.ends.length).toBeGreaterThanOrEqual(CLIENTS.longTunnels);
  });
});
