import { once } from 'node:events';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.js';
import { bytesUpTo } from './oracle.js';
import { startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';
import { setProxyEnvironment } from '../support/websocket-server.js';

test('bytes from our client come back from our server, however they are split', async () => {
  setProxyEnvironment({});
  const { url, tunnel } = await startTunnel();
  const write = fc.oneof(
    { weight: 4, arbitrary: bytesUpTo(300) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 65_530, max: 140_000 }).map((size) => Buffer.alloc(size, 'large')),
    },
  );
  const plan = fc.record({
    writes: fc.array(write, { maxLength: 12 }),
    corked: fc.boolean(),
    reading: fc.constantFrom('flowing', 'iterated', 'by hand'),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ writes, corked, reading }) => {
      const expected = Buffer.concat(writes);
      const stream = connect(url);
      if (corked) stream.cork();
      for (const bytes of writes) stream.write(bytes);
      if (corked) stream.uncork();
      const parts: Buffer[] = [];
      let length = 0;
      const take = (chunk: Buffer | null) => {
        if (chunk === null) return;
        parts.push(chunk);
        length += chunk.length;
        if (length >= expected.length) stream.end();
      };
      if (expected.length === 0) stream.end();
      if (reading === 'flowing') stream.on('data', take);
      else if (reading === 'by hand') stream.on('readable', () => take(stream.read() as Buffer | null));
      else for await (const chunk of stream) take(chunk as Buffer);
      if (!stream.closed) await once(stream, 'close');
      expect(Buffer.concat(parts).equals(expected)).toBe(true);
      expect(stream).toMatchObject({
        bytesRead: expected.length,
        bytesWritten: expected.length,
        closeCode: 1000,
      });
    }),
    { numRuns: 100 },
  );
  await until(() => tunnel.stats().open === 0);
});
