import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { firingAlerts } from './http.mjs';
import { Load } from './load.mjs';
import { PATIENCE } from './patience.mjs';
import { Readme } from './readme.mjs';
import { Systemd } from './systemd.mjs';

/** Seconds of the play in place of those of config.json. */
export const TIMES = { grace: 2, spread: 1, drain: 2, linger: 1, ttl: 3 * PATIENCE };

/** A minute of the alert rules is a second of the play. */
const RULES_SCALE = 60;

/** Milliseconds between two looks. */
const POLL = 100;

/** Milliseconds until something expected must have happened. */
const DEADLINE = 15_000 * PATIENCE;

/** Users besides those of config.json: no client of the load is at the limit `perUser`. */
const MORE_USERS = ['carl', 'dora', 'emil', 'fay'];

const CONFIG = '/etc/express-wstunnel/config.json';
const LOGS = '/var/log/express-wstunnel';

/** What the events share: the machine, its clients, and what is expected of both. */
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

  /** Shortens the times of the installed files, so that the day fits in less than a minute. */
  scale() {
    const { ttl, ...times } = TIMES;
    const config = this.readConfig();
    const auth = [...config.auth, ...MORE_USERS.map((user) => `${user}:/etc/express-wstunnel/users/${user}`)];
    for (const user of MORE_USERS) {
      const file = `/etc/express-wstunnel/users/${user}`;
      writeFileSync(file, randomBytes(12).toString('hex'), { mode: 0o640 });
      execFileSync('chgrp', ['express-wstunnel', file]);
    }
    this.writeConfig({ ...config, ...times, auth, shared: { ...config.shared, ttl, timeout: PATIENCE } });
    edit('/etc/haproxy/haproxy.cfg', (text) => text.replace('check 5s', `check ${5000 * PATIENCE}ms`));
    edit('/etc/prometheus/prometheus.yml', (text) => text.replaceAll(': 15s', ': 500ms'));
    for (const file of ['desk', 'express-wstunnel'])
      edit(`/etc/prometheus/${file}.yml`, (text) =>
        text.replaceAll(/(for: |\[|offset )(\d+)([smh])\b/g, (_, before, count, unit) => {
          const seconds = Number(count) * { s: 1, m: 60, h: 3600 }[unit];
          return `${before}${Math.ceil((seconds * 1000) / RULES_SCALE)}ms`;
        }),
      );
  }

  readConfig = () => JSON.parse(readFileSync(CONFIG, 'utf8'));
  writeConfig = (config) => writeFileSync(CONFIG, JSON.stringify(config, null, 2));

  expect(condition, text) {
    if (!condition) throw new Error(text);
  }

  /** Waits until the condition holds; resolves to the seconds that it took. */
  async until(what, condition, deadline = DEADLINE) {
    for (const start = performance.now(); ; await sleep(POLL)) {
      if (await condition()) return ((performance.now() - start) / 1000).toFixed(1);
      if (performance.now() - start > deadline)
        throw new Error(`after ${deadline / 1000} s still not: ${what}`);
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

  /** Runs `action`; resolves to what the clients noticed meanwhile. */
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

/** The event of a line. A line that a full disk has cut has none: the process writes the whole line again. */
function parsed(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

function edit(file, change) {
  const text = readFileSync(file, 'utf8');
  const changed = change(text);
  if (changed === text) throw new Error(`nothing to change in ${file}`);
  writeFileSync(file, changed);
}

/** In place of a VNC server: sends everything back. */
class Backend {
  #server;
  #sockets = new Set();

  async start() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.pipe(socket);
    });
    this.#server.listen(5900, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
