import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { readClient } from '../../../src/redis/redis-client.js';
import { deferred } from '../../support/wait.js';

test("a subscription that is stopped while it begins leaves no listener on the app's cluster client", async () => {
  const subscribing = deferred();
  const unused = () => Promise.resolve();
  const app = Object.assign(new EventEmitter(), {
    ...{ evalSha: unused, eval: unused, publish: unused, xRange: unused, unsubscribe: unused },
    subscribe: () => subscribing.promise,
  });
  const client = readClient(app);
  const subscription = client.subscribe(
    ['all'],
    () => undefined,
    () => undefined,
  );
  const failing = expect(subscription.ready).rejects.toThrow('closed');
  subscription.stop();
  subscribing.resolve();
  await failing;
  client.free();
  expect(app.eventNames()).toEqual([]);
});
