import { expect } from 'vitest';
import { askRedis } from '../support/redis.js';
import { holds } from '../support/wait.js';
import type { ReplicaSite } from './replica-sites.js';

const PREFIX = 'wstunnel:{1}:';

/** Slots in use by name, as Redis counts them for live replicas. Needs `names: 'plain'`. */
export async function storedSlots(redis: ReturnType<typeof askRedis>): Promise<Record<string, number>> {
  const [seconds] = await redis.time();
  const ids = await redis.zrangebyscore(`${PREFIX}replicas`, `(${Number(seconds) * 1000}`, '+inf');
  const slots: Record<string, number> = {};
  for (const key of await redis.keys(`${PREFIX}slots:*`)) {
    const counts = await redis.hgetall(key);
    const used = ids.reduce((sum, id) => sum + Number(counts[id] ?? 0), 0);
    if (used !== 0) slots[key.slice(`${PREFIX}slots:`.length)] = used;
  }
  return slots;
}

/** Slots in use by name, as counted from the open tunnels: in total and by user. */
function trueSlots(sites: readonly Pick<ReplicaSite, 'tunnel'>[]): Record<string, number> {
  const slots: Record<string, number> = {};
  for (const { user } of sites.flatMap(({ tunnel }) => tunnel.tunnels()))
    for (const name of ['total', `user ${user}`]) slots[name] = (slots[name] ?? 0) + 1;
  return slots;
}

/** Fails unless the counts in Redis are those of the open tunnels within seconds. Needs `STORE_LIMITS` and `names: 'plain'`. */
export async function storeHasTruth(
  port: number,
  sites: readonly Pick<ReplicaSite, 'tunnel'>[],
): Promise<void> {
  const redis = askRedis(port);
  await holds(async () => expect(await storedSlots(redis)).toEqual(trueSlots(sites)));
}
