import { describe, expect, test } from 'vitest';
import { canMakeNetworks, Network } from '../support/netns-network.js';
import { describeWith, type Program } from '../support/programs.js';

const TUNNEL = '10.91.1.2';

/** A client, an app with a tunnel and a backend, each on a machine of its own. */
async function start(network: Network, kind: 'echo' | 'mute', length: number, options = {}, host = {}) {
  const backend = network.start('backend', 'netns-backend.mjs', kind);
  await backend.prints(/listening/);
  const server = { host: '10.91.2.1', port: 5900, ...host };
  const settings = JSON.stringify({ server, closeTimeout: 0.3, limits: { buffered: 65_536 }, ...options });
  const tunnel = network.start('tunnel', 'netns-tunnel.mjs', settings);
  await tunnel.prints(/listening/);
  const client: Program = network.start('client', 'netns-client.mjs', TUNNEL, String(length));
  await tunnel.prints(/opened/);
  await client.prints(/open/);
  return { backend, tunnel, client };
}

const describeNetworks = describeWith('ip', 'tc');

(canMakeNetworks() ? describeNetworks : describe.skip)('between machines', () => {
  test('with 100 ms of delay and 2 % of loss every byte comes back', async () => {
    const network = new Network();
    // Where the kernel has no netem the link is as good as it is.
    network.impair('delay', '50ms', 'loss', '2%');
    const { client } = await start(network, 'echo', 300_000);
    const [, how] = await client.prints(/(whole|spoiled)/);
    expect(how).toBe('whole');
  });

  test("the client's cable is cut: found by the PONG that does not come, and all is freed", async () => {
    const network = new Network();
    const { tunnel, client, backend } = await start(network, 'echo', 50_000, {
      pingInterval: 0.2,
      pongTimeout: 0.5,
    });
    await client.prints(/whole/);
    network.cut('client');
    const [, code] = await tunnel.prints(/closed (\d+) the client was silent for 0.5 s after a PING/);
    expect(code).toBe('1006');
    await backend.prints(/freed/);
    await tunnel.prints(/left 0\n$/);
  });

  test("the backend's cable is cut: found by the data that waits, and all is freed", async () => {
    const network = new Network();
    const { tunnel, client } = await start(network, 'mute', 20_000_000, {}, { writeTimeout: 0.5 });
    network.cut('backend');
    const [, code] = await tunnel.prints(/closed (\d+) the backend took nothing for 0.5 s/);
    expect(code).toBe('1011');
    await client.prints(/closed 1011/);
    await tunnel.prints(/left 0\n$/);
  });
});
