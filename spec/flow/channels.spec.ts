import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { watchComplaints } from '../support/leftovers.js';
import { closeFrame, echoes, openRaw, statusOf } from '../support/raw-client.js';
import { closedPort, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

type Event = 'open' | 'close' | 'refuse' | 'backend';

/** Subscribes to a channel until the end of the test. */
function listenTo(event: Event, listener: (message: unknown, name: string | symbol) => void): void {
  const name = `express-wstunnel:${event}`;
  subscribe(name, listener);
  onCleanup(() => void unsubscribe(name, listener));
}

/** The messages of a channel from now on. */
function messagesOf(event: Event): unknown[] {
  const messages: unknown[] = [];
  listenTo(event, (message) => messages.push(message));
  return messages;
}

describe('node:diagnostics_channel', () => {
  test('has the events of a tunnel, with its name', async () => {
    const { port, tunnel } = await startTunnel({ name: 'vnc' });
    const [opened, closed] = [messagesOf('open'), messagesOf('close')];
    const client = await openRaw(port);
    expect(opened).toEqual([{ ...tunnel.tunnels()[0], timings: expect.anything() as object, tunnel: 'vnc' }]);
    client.send(closeFrame(1000)).socket.end();
    await until(() => closed.length === 1);
    expect(closed).toMatchObject([{ cause: 'client-closed', code: 1000, tunnel: 'vnc' }]);
  });

  test('has refusals and outages of backends', async () => {
    const dead = await closedPort();
    const { port } = await startTunnel({ server: { port: dead } });
    const [refused, outages] = [messagesOf('refuse'), messagesOf('backend')];
    expect(await statusOf(port)).toBe(502);
    expect(refused).toMatchObject([{ code: 'WSTUNNEL_BACKEND_REFUSED', status: 502 }]);
    expect(refused[0]).not.toHaveProperty('tunnel');
    expect(outages).toMatchObject([{ id: `127.0.0.1:${dead}`, up: false }]);
  });

  test('gets no events after the last listener has left', async () => {
    const { port } = await startTunnel();
    const heard: unknown[] = [];
    const listener = (message: unknown) => heard.push(message);
    subscribe('express-wstunnel:open', listener);
    await openRaw(port);
    unsubscribe('express-wstunnel:open', listener);
    await openRaw(port);
    expect(heard).toHaveLength(1);
  });

  test('may have listeners that fail: other listeners and the tunnel are not affected', async () => {
    const complaints = watchComplaints();
    const { port, tunnel } = await startTunnel();
    const failures = ['throws', 'rejects'].map((how) => new Error(`${how} on purpose`));
    listenTo('open', () => {
      throw failures[0]!;
    });
    listenTo('open', async () => Promise.reject(failures[1]!));
    const opened = messagesOf('open');
    await echoes(await openRaw(port));
    expect(opened).toHaveLength(1);
    expect(tunnel.stats().open).toBe(1);
    await until(() => complaints.length === 2);
    expect(complaints.map(String).join('\n')).toContain(
      "a listener for 'express-wstunnel:open' failed: throws on purpose",
    );
  });
});
