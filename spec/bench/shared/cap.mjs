// One cap over three processes while more clients want a tunnel than there are slots: the sum is never above the cap, and below it by
// no more than what is in flight.
import { Buffer } from 'node:buffer';
import console from 'node:console';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval, setTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectClient, startRedis, untilFilled } from './redis.mjs';
import { requestOf, startReplica } from './replicas.mjs';

/** The sum of the counts of all replicas, as one step. */
const SUM = `local sum = 0
for _, count in ipairs(redis.call('HVALS', 'wstunnel:{1}:slots:total')) do sum = sum + count end
return sum`;

/** Milliseconds: the client may see the end of a tunnel before the store has the slot back. */
const CONFIRMED_EARLY = 5;

/** The clients: openings under way, open tunnels, and tunnels whose end the replica has not confirmed. */
class Clients {
  opening = 0;
  open = 0;
  closing = 0;
  opened = 0;
  refused = 0;
  failed = 0;
  mostOpen = 0;
  /** The latest opening that was refused: at some time after its start, all slots were in use. */
  #refusedSince = -Infinity;
  /** Times of confirmed ends. */
  #ends = [];
  #hold;
  #sockets = new Set();

  /** `hold`: seconds that a tunnel stays open. */
  constructor(hold) {
    this.#hold = hold;
  }

  /** Slots that may be free although more clients want one: of ends, since all slots were in use. */
  get inFlight() {
    const since = this.#refusedSince - CONFIRMED_EARLY;
    this.#ends = this.#ends.filter((at) => at >= since);
    return this.opening + this.closing + this.#ends.length;
  }

  start(port) {
    const begun = performance.now();
    const socket = connect(port, '127.0.0.1');
    let state = 'opening';
    this.opening++;
    this.#sockets.add(socket);
    const become = (next) => {
      this[state]--;
      state = next;
      if (next !== 'ended') this[next]++;
      this.mostOpen = Math.max(this.mostOpen, this.open);
    };
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (state !== 'opening') return;
      const status = chunk.toString('latin1', 9, 12);
      if (status === '101') {
        this.opened++;
        become('open');
        // A Close with code 1000; the server then ends the connection.
        setTimeout(
          () => {
            if (state !== 'open') return;
            become('closing');
            socket.write(Buffer.from([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]));
          },
          this.#hold * (500 + Math.random() * 1000),
        );
      } else {
        if (status === '503') {
          this.refused++;
          this.#refusedSince = Math.max(this.#refusedSince, begun);
        } else this.failed++;
        become('ended');
        socket.destroy();
      }
    });
    socket.on('close', () => {
      if (state === 'opening') this.failed++;
      if (state === 'closing') this.#ends.push(performance.now());
      if (state !== 'ended') become('ended');
      this.#sockets.delete(socket);
    });
    socket.write(requestOf(port));
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** `rate`: openings in each second, over all replicas. The cap is a quarter of the tunnels that the clients want. */
export async function cap({ rate, seconds, most, client = 'ioredis' }) {
  const redis = await startRedis();
  const { client: sampler, stop } = await connectClient('ioredis', redis.port);
  const replicas = [];
  for (let number = 0; number < 3; number++)
    replicas.push(
      await startReplica({ redis: redis.port, client, replica: `r${number}`, limits: { total: most } }),
    );
  await untilFilled(redis);
  const clients = new Clients((most / rate) * 4);
  const found = { samples: 0, most: 0, least: Infinity, missing: 0, beyond: 0, inFlight: 0 };
  const begun = performance.now();
  let started = 0;
  let isFull = false;
  const timer = setInterval(() => {
    const due = ((performance.now() - begun) / 1000) * rate;
    for (; started < due; started++) clients.start(replicas[started % 3].port);
  }, 1);
  while (performance.now() - begun < seconds * 1000) {
    // Openings and ends change while the question is under way.
    const before = clients.inFlight;
    const sum = await sampler.eval(SUM, 0);
    const inFlight = Math.max(before, clients.inFlight);
    found.most = Math.max(found.most, sum);
    isFull ||= sum >= most;
    if (isFull) {
      found.samples++;
      found.least = Math.min(found.least, sum);
      found.inFlight = Math.max(found.inFlight, inFlight);
      if (most - sum > 0) found.missing++;
      if (most - sum > inFlight) found.beyond++;
    }
    await sleep(3);
  }
  clearInterval(timer);
  clients.close();
  await sleep(300);
  const left = Number(await sampler.eval(SUM, 0));
  for (const replica of replicas) await replica.stop();
  stop();
  await redis.stop();
  const { opened, refused, failed, mostOpen } = clients;
  console.log(
    `3 replicas (${client}), one cap of ${most}, ${Math.round(started / seconds)} openings/s for ${seconds} s:`,
  );
  console.log(`  ${opened} opened, ${refused} refused, ${failed} failed`);
  console.log(`  most in Redis ${found.most}, most open at the clients ${mostOpen}`);
  console.log(
    `  ${found.samples} samples of a full cap: least ${found.least}, at most ${found.inFlight} in flight; ${found.beyond} samples below the cap by more than what was in flight`,
  );
  console.log(`  left over after the end: ${left}`);
  if (found.most > most || mostOpen > most) throw new Error('more tunnels than the cap');
}
