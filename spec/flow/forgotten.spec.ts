import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import express from 'express';
import { describe, expect, test } from 'vitest';
import { wstunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { listen, portOf, startApp, startEcho } from '../support/servers.js';
import { holds } from '../support/wait.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function make(count: number): void {
  for (let i = 0; i < count; i++) wstunnel({ server: { port: 5900 } });
}

describe('issue 12, case 28: tunnels without references', () => {
  test('are garbage-collected', async () => {
    const references = Array.from({ length: 500 }, () => new WeakRef(wstunnel({ server: { port: 5900 } })));
    await holds(() => {
      collect();
      expect(references.filter((reference) => reference.deref()).length).toBeLessThan(10);
    });
  });

  test('are garbage-collected after attach() as well', async () => {
    const server = createServer();
    const references = Array.from({ length: 50 }, () => {
      const tunnel = wstunnel({ server: { port: 5900 } });
      return new WeakRef(tunnel.attach(server, { path: '/vnc' }));
    });
    await holds(() => {
      collect();
      expect(references.filter((reference) => reference.deref()).length).toBeLessThan(10);
    });
    expect(server.listenerCount('upgrade')).toBe(1);
  });

  test('are garbage-collected when each request makes a tunnel, and the second tunnel warns once', async () => {
    const codes: unknown[] = [];
    const note = (warning: Error & { code?: string }) => codes.push(warning.code);
    process.on('warning', note);
    onCleanup(() => process.off('warning', note));
    const { port: backend } = await startEcho();
    const references: WeakRef<object>[] = [];
    const { port } = await startApp((app) =>
      app.use('/tunnel', (req, res, next) => {
        const tunnel = wstunnel({ server: { port: backend } });
        references.push(new WeakRef(tunnel));
        tunnel(req, res, next);
      }),
    );
    // The server is not prepared for the first upgrade: the answer is 503.
    await requestTunnel(port).answer();
    expect(codes).not.toContain('WSTUNNEL_PER_REQUEST');
    for (let i = 0; i < 20; i++) {
      const client = await openRaw(port);
      client.send(frame(2, 'x'));
      await client.payload(1);
      client.socket.destroy();
    }
    expect(references).toHaveLength(21);
    expect(codes.filter((code) => code === 'WSTUNNEL_PER_REQUEST')).toHaveLength(1);
    await holds(() => {
      collect();
      expect(references.filter((reference) => reference.deref()).length).toBeLessThan(4);
    });
  });

  test('do not add to the work of an unrelated server per connection', async () => {
    const unrelated = createServer(express());
    let looks = 0;
    const listeners = unrelated.listeners.bind(unrelated);
    unrelated.listeners = (name) => {
      looks++;
      return listeners(name);
    };
    await listen(unrelated);
    const looksOfOne = async () => {
      const before = looks;
      const socket = connect(portOf(unrelated), '127.0.0.1');
      await once(unrelated, 'connection');
      socket.destroy();
      return looks - before;
    };
    make(1);
    const few = await looksOfOne();
    make(300);
    expect(few).toBeGreaterThan(0);
    expect(await looksOfOne()).toBe(few);
  });
});
