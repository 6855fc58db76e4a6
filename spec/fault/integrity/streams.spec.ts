import { expect, test } from 'vitest';
import { runTunnels } from '../../support/integrity/run.js';
import type { BackendKind, Transport } from '../../support/integrity/site.js';
import { BLOCK, StreamCheck, StreamSource } from '../../support/integrity/stream.js';
import { until } from '../../support/wait.js';

const seed = Number(process.env.FUZZ_SEED ?? Date.now() >>> 0);

const ways: [Transport, BackendKind, text: boolean][] = [
  ['http', 'tcp', false],
  ['http', 'unix', true],
  ['http', 'tls', false],
  ['https', 'tcp', false],
  ['https', 'unix', false],
  ['https', 'tcp', true],
  ['https', 'tls', true],
  ['unix', 'unix', false],
  ['unix', 'tcp', true],
  ['duplex', 'tcp', false],
  ['duplex', 'unix', true],
  ['https duplex', 'tcp', false],
  ['duplex', 'tls', false],
  ['http', 'ws', false],
  ['https', 'ws', false],
  ['http', 'wss', false],
  ['duplex', 'ws', false],
  ['unix', 'wss', false],
];

test.each(ways)(
  '40 tunnels at once over %s to %s, text: %s: every byte arrives in its place',
  async (...way) => {
    const [transport, backend, text] = way;
    const tunnels = 40;
    // The streams have whole blocks, so that a text ends with a whole character.
    const load = { seed, up: 300 * BLOCK, down: 300 * BLOCK, largest: 70_000, text };
    // PINGs of the tunnel go between the frames of a backend.
    const options = { pingInterval: 0.02 };
    const { site, codes, served } = await runTunnels({ transport, backend, tunnels, load, options });
    expect(codes).toEqual(Array.from({ length: tunnels }, () => 1000));
    expect(served).toEqual(Array.from({ length: tunnels }, (_, tunnel) => tunnel));
    await until(() => site.tunnel.stats().open === 0);
    const { bytesIn, bytesOut, closed, backends } = site.tunnel.stats();
    expect({ bytesIn, bytesOut, closed }).toEqual({
      bytesIn: tunnels * load.up,
      bytesOut: tunnels * load.down,
      closed: { 1000: tunnels },
    });
    expect(backends).toMatchObject([{ load: 0 }]);
  },
);

test.each([
  ['http', 'tcp'],
  ['https', 'tcp'],
  ['duplex', 'tcp'],
  ['http', 'tls'],
  ['http', 'ws'],
  ['https', 'wss'],
] as const)('large chunks over %s to %s arrive whole', async (transport, backend) => {
  const load = { seed, up: 8_000_000, down: 8_000_000, largest: 2_000_000 };
  const { codes } = await runTunnels({ transport, backend, tunnels: 4, load });
  expect(codes).toEqual([1000, 1000, 1000, 1000]);
});

test('the check detects a byte that is wrong, missing, doubled or from another tunnel', () => {
  const name = { seed: 1, tunnel: 1, direction: 'up' } as const;
  const right = () => new StreamSource(name).next(4 * BLOCK);
  new StreamCheck(name).push(right());
  const flipped = right();
  flipped[5000 % flipped.length]! ^= 1;
  const other = new StreamSource({ ...name, tunnel: 2 }).next(4 * BLOCK);
  const bytes = right();
  const wrong = [
    flipped,
    Buffer.concat([bytes.subarray(0, 100), bytes.subarray(101)]),
    Buffer.concat([bytes.subarray(0, BLOCK), bytes.subarray(0, BLOCK)]),
    Buffer.concat([bytes.subarray(0, BLOCK), other.subarray(BLOCK)]),
    new StreamSource({ ...name, direction: 'down' }).next(BLOCK),
    Buffer.alloc(BLOCK),
  ];
  for (const one of wrong) expect(() => new StreamCheck(name).push(one)).toThrow('tunnel 1 up: byte');
});
