// The disturbances: reloads, clock steps, restarts of Redis, SIGHUP to the command. Each round has all of them, in this order.
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds of a clock step, back and forth: an hour, a day, 50 days, four weeks back. */
const STEPS = [3_600_000, -3_600_000, 86_400_000, -86_400_000, 50 * 86_400_000, -28 * 86_400_000];

export class Trouble {
  counts = { reloads: 0, steps: 0, restarts: 0, kills: 0, hangUps: 0 };

  constructor(site) {
    this.site = site;
  }

  /** `seconds`: length of the round. */
  async round(seconds, signal) {
    const { server, redis, command, clients } = this.site;
    const { counts } = this;
    const actions = [
      () => this.#reload(),
      async () => {
        const step = STEPS[counts.steps++ % STEPS.length];
        clients.offset = await clients.during('clock', () => server.ask('clock', step), 2000);
      },
      async () => {
        const isKill = (counts.restarts + counts.kills) % 3 === 2;
        counts[isKill ? 'kills' : 'restarts']++;
        await clients.during('redis', async () => {
          await redis.restart(isKill ? 'SIGKILL' : 'SIGTERM', isKill ? 1500 : 200);
          await this.settle();
        });
      },
      async () => {
        counts.hangUps++;
        await clients.during('command', () => command.hangUp());
      },
      async () => {
        clients.offset = await clients.during('clock', () => server.ask('clock', 0), 2000);
      },
      () => this.#reload(),
    ];
    const part = (seconds * 1000) / (actions.length + 1);
    for (const action of actions) {
      await sleep(part, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await action().catch((error) => this.site.faults.push(`trouble: ${error.message}`));
    }
    await sleep(part, undefined, { signal }).catch(() => undefined);
  }

  /** Tunnels of the old object may stay open for a third of a round, then get a Close. */
  async #reload() {
    this.counts.reloads++;
    const grace = Math.round(this.site.round / 3);
    const reload = () => this.site.server.ask('reload', { grace, spread: 1, timeout: 5 });
    await this.site.clients.during('reload', reload, 1000);
  }

  /** Resolves when the shared state and the store of tokens are back. */
  async settle() {
    for (let left = 600; left > 0; left--) {
      const { up, tokens } = await this.site.server.ask('ready');
      if (up && tokens) return;
      await sleep(100);
    }
    throw new Error('the state stays down');
  }

  summary() {
    return Object.entries(this.counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  }
}
