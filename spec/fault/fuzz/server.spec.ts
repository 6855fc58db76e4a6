import { afterAll, expect, test } from 'vitest';
import { cutRandomly, frameStream } from './frames.js';
import { handshakeStream } from './handshakes.js';
import { failedRun, fuzzRuns, fuzzTimeout } from './runs.js';
import { Random, seedOf } from '../../support/random.js';
import { closeFrame, handshake, RawClient, requestTunnel } from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';

const { runs, seed } = fuzzRuns(400);
const AT_ONCE = 20;

const rejections: unknown[] = [];
const onRejection = (reason: unknown) => rejections.push(reason);
process.on('unhandledRejection', onRejection);
afterAll(() => void process.off('unhandledRejection', onRejection));

/** Checks the bytes after a 101: frames of a server, at most one Close, and no bytes after the Close. */
function checkFrames(bytes: Buffer): void {
  let closed = false;
  for (let at = 0; at < bytes.length;) {
    if (closed) throw new Error('something came after the Close');
    const [first = 0, second] = bytes.subarray(at, at + 2);
    if (second === undefined) return;
    if ((first & 0x70) !== 0 || second > 127 || ![1, 2, 8, 9, 10].includes(first & 0x0f))
      throw new Error(`no frame of a server: ${first} ${second}`);
    const [length, size] =
      second === 126
        ? [bytes.readUInt16BE(at + 2), 4]
        : second === 127
          ? [Number(bytes.readBigUInt64BE(at + 2)), 10]
          : [second, 2];
    closed = (first & 0x0f) === 8;
    at += size + length;
  }
}

/** Checks the answers: HTTP, and frames after a 101. */
function checkAnswers(bytes: Buffer): boolean {
  if (bytes.length > 0 && !bytes.toString('latin1', 0, 9).startsWith('HTTP/1.1 '))
    throw new Error(`no answer: ${bytes.toString('latin1', 0, 80)}`);
  const at = bytes.indexOf('HTTP/1.1 101 ');
  if (at < 0) return false;
  checkFrames(bytes.subarray(bytes.indexOf('\r\n\r\n', at) + 4));
  return true;
}

/** One client: sends the bytes in pieces, ends or resets, and reads everything. */
async function runOne(port: number, input: Buffer, random: Random, framesOnly: boolean): Promise<boolean> {
  const client = new RawClient(port);
  client.socket.setNoDelay(true);
  if (framesOnly) expect((await client.send(handshake('/tunnel')).answer()).status).toBe(101);
  const pieces = random.oneIn(2) ? [input] : cutRandomly(random, input).slice(0, 200);
  for (const piece of pieces) {
    if (client.socket.destroyed) break;
    client.send(piece);
    if (random.oneIn(3)) await new Promise((resolve) => setImmediate(resolve));
  }
  if (random.oneIn(10)) {
    client.socket.resetAndDestroy();
    await client.closed();
    return false;
  }
  if (random.oneIn(2)) client.send(closeFrame(1000));
  client.socket.end();
  const rest = await client.rest();
  if (!framesOnly) return checkAnswers(rest);
  checkFrames(rest);
  return true;
}

async function runAll(inputOf: (random: Random) => Buffer, framesOnly: boolean): Promise<number> {
  const site = await startTunnel({ closeTimeout: 2, handshakeTimeout: 2, pingInterval: 0 });
  // A request that never ends is the app's responsibility; here it must not delay the run.
  site.server.headersTimeout = 1500;
  site.server.requestTimeout = 1500;
  let next = 0;
  let opened = 0;
  const worker = async () => {
    for (let run = next++; run < runs; run = next++) {
      const random = new Random(seedOf(seed, run));
      const input = inputOf(random);
      try {
        if (await runOne(site.port, input, random, framesOnly)) opened++;
      } catch (error) {
        throw failedRun(seed, run, error, input);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await until(() => site.tunnel.stats().open === 0);
  for (const server of [site.server, site.backend!.server])
    await until(
      () => new Promise<boolean>((resolve) => server.getConnections((_, count) => resolve(count === 0))),
    );
  expect(site.tunnel.stats().backends.filter(({ load }) => load > 0)).toEqual([]);
  expect(rejections).toEqual([]);
  // The server still opens tunnels.
  const client = requestTunnel(site.port);
  expect((await client.answer()).status).toBe(101);
  if (process.env.FUZZ_RUNS !== undefined)
    console.log(
      `${runs} clients from seed ${seed}: ${opened} with a tunnel, ${JSON.stringify(site.tunnel.stats())}`,
    );
  return opened;
}

test(
  `${runs} handshakes from seed ${seed}: each is answered or cut off, and nothing is left open`,
  async () => expect(await runAll(handshakeStream, false)).toBeGreaterThan(0),
  fuzzTimeout(20_000),
);

test(
  `${runs} streams of frames from seed ${seed}: at most one Close, nothing after it, and nothing left open`,
  async () => {
    const opened = await runAll(frameStream, true);
    expect(opened).toBeGreaterThan(runs / 2);
  },
  fuzzTimeout(20_000),
);
