import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backend } from './backend.mjs';
import { firingAlerts } from './http.mjs';
import { Load } from './load.mjs';
import { PATIENCE } from './patience.mjs';
import { Readme } from './readme.mjs';
import { MORE_USERS } from './scale.mjs';
import { Systemd } from './systemd.mjs';

/** Milliseconds between two checks of a condition. */
const POLL = 100;

/** Milliseconds within which an expected condition must hold. */
const DEADLINE = 15_000 * PATIENCE;

const LOGS = '/var/log/express-wstunnel';

/** The state that the events share: the machine, its clients, and checks of both. */
export class Day {
  systemd = new Systemd();
  readme = new Readme();
  authority;
  backend = new Backend();
  load;

  passwordOf = (user) => readFileSync(`/etc/express-wstunnel/users/${user}`, 'utf8').trim();
  login = (user) => ({ user, password: this.passwordOf(user), ca: this.authority.ca });

  startLoad(count, newcomersPerSecond) {
    this.load = new Load(['ann', ...MORE_USERS].map(this.login));
    return this.load.start(count, newcomersPerSecond);
  }

  expect(condition, text) {
    if (!condition) throw new Error(text);
  }

  /** Waits until the condition holds; resolves to the seconds that it took. */
  async until(what, condition, deadline = DEADLINE) {
    for (const start = performance.now(); ; await sleep(POLL)) {
      if (await condition()) return ((performance.now() - start) / 1000).toFixed(1);
      if (performance.now() - start > deadline) throw new Error(`not within ${deadline / 1000} s: ${what}`);
    }
  }

  fires = (alert) => this.until(`${alert} fires`, async () => (await firingAlerts()).includes(alert));
  resolves = (alert) => this.until(`${alert} is over`, async () => !(await firingAlerts()).includes(alert));

  /** The events in the logs of a process, the rotated logs included. */
  eventsOf(process) {
    const files = readdirSync(LOGS).filter(
      (name) => name.startsWith(`${process}.log`) && !name.endsWith('.gz'),
    );
    return files
      .sort()
      .reverse()
      .flatMap((name) => readFileSync(`${LOGS}/${name}`, 'utf8').split('\n'))
      .flatMap(parsed);
  }

  /** The paths of tunnels that a process has opened. */
  pathsOf(process) {
    const opened = this.eventsOf(process).filter(({ event }) => event === 'open');
    return new Set(opened.map(({ url }) => url.replace('/websockify/', '')));
  }

  /** Runs `action`; resolves to the ends, failures and returns of the clients during the action. */
  async watch(action) {
    const { ends, failures, returns, visits } = this.load;
    const before = [ends.length, failures.length, returns.length, visits];
    await action();
    return {
      ends: ends.slice(before[0]),
      failures: failures.slice(before[1]),
      returns: returns.slice(before[2]),
      visits: this.load.visits - before[3],
    };
  }

  expectNone(what, list) {
    const some = list.slice(0, 3).map((one) => JSON.stringify(one));
    this.expect(list.length === 0, `${what}: ${list.length}, such as ${some.join(', ')}`);
  }

  expectQuiet({ ends, failures }) {
    this.expectNone('tunnels that ended', ends);
    this.expectNone('newcomers that failed', failures);
  }
}

/** The event of a line. A line truncated by a full disk has no event: the process writes the whole line again. */
function parsed(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
