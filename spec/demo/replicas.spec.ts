import { readFileSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { readArguments, UsageError } from '../../demo/arguments.js';
import { onCleanup } from '../support/cleanup.js';
import {
  compileDemo,
  LOGIN,
  MAIN,
  startReplicatedDemo,
  type ReplicatedDemo,
} from '../support/demo-program.js';
import { end } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { openRaw, statusOf, type RawClient } from '../support/raw-client.js';
import { accepts } from '../support/servers.js';
import { holds, until } from '../support/wait.js';

// Four programs start for each test.
vi.setConfig({ testTimeout: 90_000 });

const WEBSOCKET = '/vnc/websockify';

/** Logs in at one port. Returns the cookie. */
async function logIn(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/login`, {
    method: 'POST',
    body: new URLSearchParams(LOGIN),
    redirect: 'manual',
  });
  expect(answer.headers.get('location')).toBe('/');
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

async function logOut(port: number, cookie: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/logout`, {
    method: 'POST',
    headers: { cookie },
    redirect: 'manual',
  });
  expect(answer.headers.get('location')).toBe('/login?out=1');
}

const whoami = async (port: number, cookie: string) =>
  (await fetch(`http://127.0.0.1:${port}/whoami`, { headers: { cookie, connection: 'close' } })).status;

/** A tunnel whose desktop has answered. */
async function openDesktop(port: number, cookie: string): Promise<RawClient> {
  const client = await openRaw(port, WEBSOCKET, { Cookie: cookie });
  expect((await client.payload(12)).toString()).toBe('RFB 003.008\n');
  return client;
}

/** The ids of all processes below this one. */
function descendants(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return [
          Number(name),
          Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]),
        ] as const;
      } catch {
        // Has ended.
        return [Number(name), 0] as const;
      }
    });
  const children = parents.filter(([, parent]) => parent === pid).map(([child]) => child);
  return [...children, ...children.flatMap(descendants)];
}

const exists = (pid: number) => {
  try {
    // A zombie has no command line.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
};

/** The processes of a demo, which are ended after the test even if the demo fails to. */
function processesOf({ program }: ReplicatedDemo): number[] {
  const pid = program.process.pid ?? 0;
  const all = descendants(pid);
  onCleanup(() => all.filter(exists).forEach(end));
  return all;
}

describe('demo --replicas: arguments', () => {
  test.each(['0', '9', '1.5', '', 'two', '-1'])('"%s" is not a number of processes', (text) => {
    expect(() => readArguments([`--replicas=${text}`])).toThrow(UsageError);
  });

  test('without redis-server, a message names the package to install', async () => {
    const env = { ...process.env, PATH: '/nonexistent' };
    const child = spawn(process.execPath, [MAIN, '--replicas', '2'], { env, timeout: 20_000 });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(2);
    expect(stderr).toBe('redis-server is missing, which --replicas needs: apt-get install redis-server\n');
  });
});

beforeAll(compileDemo, 120_000);

describeWith('redis-server')('demo --replicas 2', () => {
  test('a login through the balancer is valid on both replicas', async () => {
    const demo = await startReplicatedDemo();
    const cookie = await logIn(demo.port);
    for (const port of [demo.port, demo.port, ...demo.ports]) expect(await whoami(port, cookie)).toBe(200);
    for (const port of [demo.port, ...demo.ports]) await openDesktop(port, cookie);
    expect(await statusOf(demo.ports[0], WEBSOCKET)).toBe(401);
  });

  test('the balancer uses both replicas', async () => {
    const demo = await startReplicatedDemo();
    const cookie = await logIn(demo.port);
    for (let opened = 0; opened < 4; opened++) await openDesktop(demo.port, cookie);
    await demo.program.prints(/replica 1: a desktop was opened/);
    await demo.program.prints(/replica 2: a desktop was opened/);
  });

  test('a logout on one replica ends the desktop on the other, and leaves another login of the same user open', async () => {
    const demo = await startReplicatedDemo();
    const [one, other] = demo.ports;
    const [cookie, another] = [await logIn(one), await logIn(one)];
    const [desktop, kept] = [await openDesktop(one, cookie), await openDesktop(one, another)];
    await logOut(other, cookie);
    expect(await desktop.close()).toEqual({ code: 1008, reason: 'the login has ended' });
    // By end(): a check of the login would have the cause login-ended.
    await demo.program.prints(/replica 1: a desktop was closed \(ended-by-app\)/);
    for (const port of demo.ports) {
      expect(await whoami(port, cookie)).toBe(401);
      expect(await whoami(port, another)).toBe(200);
    }
    expect(kept.socket.readyState).toBe('open');
    expect(demo.program.output.match(/was closed/g)).toHaveLength(1);
  });

  test('Redis has the number of open desktops of each replica', async () => {
    const demo = await startReplicatedDemo();
    const cookie = await logIn(demo.port);
    for (const port of [demo.ports[0], demo.ports[0], demo.ports[1]]) await openDesktop(port, cookie);
    const redis = new Redis({ ...demo.redis, host: '127.0.0.1' });
    onCleanup(() => redis.disconnect());
    await until(async () => {
      const counts = await redis.hgetall('wstunnel:{1}:slots:total');
      const byName = Object.entries(counts).map(([id, count]) => `${id.replace(/#.*/, '')}: ${count}`);
      return byName.sort().join() === 'replica-1: 2,replica-2: 1';
    });
  });

  test('a session that vanishes from Redis ends its desktop with the next check of the login', async () => {
    const demo = await startReplicatedDemo();
    const desktop = await openDesktop(demo.ports[0], await logIn(demo.port));
    const redis = new Redis({ ...demo.redis, host: '127.0.0.1' });
    onCleanup(() => redis.disconnect());
    const [key = ''] = await redis.keys('demo:session:*');
    await redis.del(key);
    expect(await desktop.close()).toEqual({ code: 1008, reason: 'the login has ended' });
    await demo.program.prints(/replica 1: a desktop was closed \(login-ended\)/);
  });

  test('after a kill of one replica, the balancer gives all connections to the other', async () => {
    const demo = await startReplicatedDemo();
    const cookie = await logIn(demo.port);
    end(demo.pids[0]);
    await demo.program.prints(/replica 1 has ended/);
    for (let asked = 0; asked < 4; asked++) expect(await whoami(demo.port, cookie)).toBe(200);
  });

  test('a Redis that has ended is an error for pages and leaves open desktops open', async () => {
    const demo = await startReplicatedDemo();
    const cookie = await logIn(demo.port);
    const desktop = await openDesktop(demo.ports[0], cookie);
    const [redis = 0] = processesOf(demo).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('redis-server'),
    );
    end(redis);
    await demo.program.prints(/Redis has ended/);
    await holds(async () => expect(await whoami(demo.port, cookie)).toBe(500));
    const page = await fetch(`http://127.0.0.1:${demo.port}/`, { headers: { cookie } });
    expect(await page.text()).toBe('Redis cannot be reached\n');
    expect(demo.program.output).not.toMatch(/^ +at /m);
    expect(desktop.socket.readyState).toBe('open');
    await demo.program.stop();
    expect(demo.program.process.exitCode).toBe(0);
  });
});

describeWith('redis-server')('the end of demo --replicas 2', () => {
  test.each([['SIGINT'], ['SIGTERM']] as const)('%s ends every process that it started', async (signal) => {
    const demo = await startReplicatedDemo();
    const desktop = await openDesktop(demo.port, await logIn(demo.port));
    const all = processesOf(demo);
    expect(all).toHaveLength(3);
    // Ctrl-C reaches all processes of the terminal.
    for (const pid of [demo.program.process.pid ?? 0, ...(signal === 'SIGINT' ? all.slice(1) : [])])
      process.kill(pid, signal);
    expect(await desktop.close()).toMatchObject({ code: 1001 });
    await until(() => demo.program.process.exitCode !== null);
    expect(demo.program.process.exitCode).toBe(0);
    expect(all.filter(exists)).toEqual([]);
    for (const port of [demo.port, ...demo.ports, demo.redis.port])
      expect(await accepts({ port })).toBe(false);
  });

  test('after a kill of the first process, the others end too', async () => {
    const demo = await startReplicatedDemo();
    const desktop = await openDesktop(demo.ports[1], await logIn(demo.port));
    const all = processesOf(demo);
    demo.program.process.kill('SIGKILL');
    expect(await desktop.close()).toBeDefined();
    await until(() => !all.some(exists));
  });

  test('Ctrl-C during the start ends every process', async () => {
    const program = new Program(process.execPath, [MAIN, '--replicas', '2', '--port', '0']);
    const pid = program.process.pid ?? 0;
    // Redis and the first replica.
    await until(() => descendants(pid).length > 1);
    const all = descendants(pid);
    onCleanup(() => all.filter(exists).forEach(end));
    for (const one of [pid, ...all.slice(1)]) process.kill(one, 'SIGINT');
    await until(() => program.process.exitCode !== null);
    await until(() => !all.some(exists));
  });

  test('when no replica is left, it ends with an error', async () => {
    const demo = await startReplicatedDemo();
    const all = processesOf(demo);
    for (const pid of all) if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('replica.js')) end(pid);
    await until(() => demo.program.process.exitCode !== null);
    expect(demo.program.process.exitCode).toBe(1);
    expect(all.filter(exists)).toEqual([]);
  });
});
