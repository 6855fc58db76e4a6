import { describe, expect, test } from 'vitest';
import { canMakeNetworks, Network } from './network.js';
import { describeWith, type Program } from '../../support/programs.js';

const TUNNEL = '10.91.1.2';

/** A client, an app with a tunnel and a backend, each in a separate network namespace. */
async function start(network: Network, kind: 'echo' | 'mute', length: number, options = {}, host = {}) {
  const backend = network.start('backend', 'backend.mjs', kind);
  await backend.prints(/listening/);
  const server = { host: '10.91.2.1', port: 5900, ...host };
  const settings = JSON.stringify({ server, closeTimeout: 0.3, limits: { buffered: 65_536 }, ...options });
  const tunnel = network.start('tunnel', 'tunnel.mjs', settings);
  await tunnel.prints(/listening/);
  const client: Program = network.start('client', 'client.mjs', TUNNEL, String(length));
  await tunnel.prints(/opened/);
  await client.prints(/open/);
  return { backend, tunnel, client };
}

/** Printed by the client some PINGs after the last byte: bytes that no PONG has confirmed would lengthen pongTimeout, up to 45 times. */
const CONFIRMED = /whole\n(ping\n){3}/;

const describeNetworks = (kind: 'veth' | 'tun', ...programs: string[]) => {
  const describeThem = describeWith('ip', ...programs);
  return canMakeNetworks(kind) ? describeThem : describe.skip;
};

describeNetworks('veth')('between machines', () => {
  test("the client's cable is cut: the missing PONG reveals it, and everything is freed", async () => {
    const network = new Network();
    const { tunnel, client, backend } = await start(network, 'echo', 50_000, {
      pingInterval: 0.2,
      pongTimeout: 0.5,
    });
    await client.prints(CONFIRMED);
    network.cut('client');
    const [, code] = await tunnel.prints(/closed (\d+) the client was silent for 0.5 s after a PING/);
    expect(code).toBe('1006');
    await backend.prints(/freed/);
    await tunnel.prints(/left 0\n$/);
  });

  test("the backend's cable is cut: stalled data reveals it, and everything is freed", async () => {
    const network = new Network();
    const { tunnel, client } = await start(network, 'mute', 20_000_000, {}, { writeTimeout: 0.5 });
    network.cut('backend');
    const [, code] = await tunnel.prints(/closed (\d+) the backend accepted no data for 0.5 s/);
    expect(code).toBe('1011');
    await client.prints(/closed 1011/);
    await tunnel.prints(/left 0\n$/);
  });
});

/** A delay of 40 ms on each cable, and a loss of 3 percent. */
const BAD = { delay: 40, jitter: 10, loss: 3, seed: 20261122 };

describeNetworks('tun', 'python3')('over a line with delay and loss', { timeout: 120_000 }, () => {
  test('every byte arrives both ways, and no default deadline cuts the tunnel', async () => {
    const network = new Network(BAD);
    const { client, tunnel } = await start(network, 'echo', 2_000_000, { closeTimeout: 10 });
    const [, how] = await client.prints(/(whole|spoiled|closed|error)/);
    expect(how).toBe('whole');
    expect(tunnel.output).not.toMatch(/closed/);
    // The cable did lose packets.
    expect(network.resent('tunnel')).toBeGreaterThan(10);
  });

  test('short deadlines keep a living client and cut off one whose cable is cut', async () => {
    const network = new Network(BAD);
    const { client, tunnel, backend } = await start(network, 'echo', 500_000, {
      pingInterval: 0.5,
      pongTimeout: 2,
    });
    const [, how] = await client.prints(/(whole|spoiled|closed|error)/);
    expect(how).toBe('whole');
    await client.prints(CONFIRMED);
    network.cut('client');
    const [, code] = await tunnel.prints(/closed (\d+) the client was silent for 2 s after a PING/);
    expect(code).toBe('1006');
    await backend.prints(/freed/);
    await tunnel.prints(/left 0\n$/);
  });

  test("the cut of the backend's cable is detected", async () => {
    const network = new Network(BAD);
    // TCP sends a lost Close again after about 300 ms.
    const options = { closeTimeout: 10 };
    const { client, tunnel } = await start(network, 'mute', 20_000_000, options, { writeTimeout: 2 });
    network.cut('backend');
    const [, code] = await tunnel.prints(/closed (\d+) the backend accepted no data for 2 s/);
    expect(code).toBe('1011');
    await client.prints(/closed 1011/);
    await tunnel.prints(/left 0\n$/);
  });
});
