import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { activeServers, isReady, metric } from '../http.mjs';
import { BIN } from '../namespace.mjs';
import { TIMES } from '../scale.mjs';
import { openTunnel } from '../tunnel.mjs';

const CONFIG = '/etc/express-wstunnel/config.json';
const A = 'express-wstunnel@a';
const B = 'express-wstunnel@b';

/** The tunnel limit of a user: `perUser` of config.json. */
const LIMIT = 10;

/** A new version is deployed to one process after the other: no client is refused, and no tunnel ends before `grace`. */
export async function deploy(day) {
  const drainedAt = new Map();
  const homes = new Map(
    [...day.load.open.values()].map(({ path }) => [path, day.pathsOf('a').has(path) ? 'a' : 'b']),
  );
  const watchDrains = (async () => {
    for (const process of ['a', 'b'])
      await day.until(`${process} drains`, async () => {
        if (!day.systemd.unit(`express-wstunnel@${process}`).output.includes('draining')) return false;
        drainedAt.set(process, performance.now());
        return true;
      });
  })();
  const seen = await day.watch(() => Promise.all([day.readme.run('deploy'), watchDrains]));
  day.expectNone(
    'tunnels that broke',
    seen.ends.filter(({ code }) => code !== 1001),
  );
  day.expectNone('newcomers that failed', seen.failures);
  day.expect(seen.ends.length >= 8, `only ${seen.ends.length} tunnels ended`);
  const first = Math.min(
    ...seen.ends
      .filter(({ path }) => homes.has(path))
      .map(({ path, at }) => at - drainedAt.get(homes.get(path))),
  );
  // The line "draining" is seen up to 100 ms late.
  day.expect(first >= TIMES.grace * 1000 - 150, `a tunnel ended ${first.toFixed(0)} ms after SIGTERM`);
  return `${seen.ends.length} tunnels ended with 1001, the first ${(first / 1000).toFixed(1)} s after SIGTERM (grace ${TIMES.grace} s); 0 of ${seen.visits} newcomers failed`;
}

/** A version that does not start, such as one for a newer Node: the script ends before it touches a process. */
export async function badVersion(day) {
  const program = `${BIN}/express-wstunnel`;
  const good = readFileSync(program);
  const seen = await day.watch(async () => {
    writeFileSync(program, '#!/bin/sh\necho "SyntaxError: a version for a newer Node" >&2\nexit 1\n');
    const report = await day.readme.run('deploy').catch((error) => error.message);
    writeFileSync(program, good);
    day.expect(report.includes('SyntaxError'), `deploy: ${report}`);
  });
  day.expectQuiet(seen);
  day.expect((await activeServers()) === 2, 'a process gets no new clients');
  return `the script ended, 0 tunnels ended, 0 of ${seen.visits} newcomers failed`;
}

/** HAProxy reads a changed haproxy.cfg. */
export async function haproxyReload(day) {
  const seen = await day.watch(async () => {
    const visits = day.load.visits;
    await day.readme.run('haproxy');
    await day.until('newcomers came since', () => day.load.visits > visits + 5);
  });
  day.expectQuiet(seen);
  return `0 tunnels ended, 0 of ${seen.visits} newcomers failed`;
}

/** A process is killed: its clients come back at the other process, and its share of the limits is free after the lease. */
export async function kill(day) {
  const login = day.login('bob');
  const bobs = [];
  for (let number = 0; number < LIMIT; number++) bobs.push(await openTunnel(login, `bob-${number}`));
  day.expect(await isAtLimit(login), `a user has more than ${LIMIT} tunnels`);
  const home = day.pathsOf('a');
  let refused = 0;
  let free;
  const seen = await day.watch(async () => {
    const killed = performance.now();
    await day.readme.run('kill');
    await day.until('the tunnels of a end', () => bobs.some((tunnel) => !tunnel.isOpen));
    await day.until('a slot is free', async () => {
      const again = await openTunnel(login, 'bob-again').catch(({ status }) => status);
      if (typeof again === 'number') refused += 1;
      else if (again) free = ((performance.now() - killed) / 1000).toFixed(1);
      if (again?.close) await again.close();
      return free !== undefined;
    });
    await day.until('all tunnels are open again', () => day.load.open.size === 8);
    // Ready, so that it has read the settings that the next event spoils.
    await day.until('a is back', async () => day.systemd.unit(A).restarts > 0 && (await isReady('a')));
  });
  for (const tunnel of bobs) await tunnel.close();
  day.expectNone(
    'tunnels of b that ended',
    seen.ends.filter(({ path, code }) => !home.has(path) || code !== 1006),
  );
  day.expect(seen.ends.length > 0, 'a had no tunnel');
  expectNobodyRefused(day, seen);
  day.expect(refused > 0, 'the slots of a were free immediately');
  const slowest = Math.max(...seen.returns.map(({ ms }) => ms)).toFixed(0);
  return `${seen.ends.length} tunnels of a broke (1006) and were open again within ${slowest} ms, 0 of b; ${seen.failures.length} of ${seen.visits} newcomers failed; bob's slots were free after ${free} s (lease ${TIMES.ttl} s)`;
}

/** An invalid file: a killed process stays down, the other process serves all clients, and the alert fires. */
export async function wrongFile(day) {
  const text = readFileSync(CONFIG, 'utf8');
  writeFileSync(CONFIG, text.replace('"perUser"', '"perUsr"'));
  // The alert may still fire because of an earlier kill.
  await day.resolves('DeskProcessDown');
  const report = await day.readme.run('check').catch((error) => error.message);
  day.expect(report.includes('perUsr'), `--check-config: ${report}`);
  let fired;
  const seen = await day.watch(async () => {
    const killed = performance.now();
    await day.readme.run('kill');
    await day.until('systemd gives up', () => day.systemd.unit(A).exitCode === 3);
    await day.fires('DeskProcessDown');
    fired = ((performance.now() - killed) / 1000).toFixed(1);
    await day.until('all tunnels are open again', () => day.load.open.size === 8);
    writeFileSync(CONFIG, text);
    await day.readme.run('check');
    await day.readme.run('repaired');
    await day.resolves('DeskProcessDown');
  });
  expectNobodyRefused(day, seen);
  return `exit code 3, DeskProcessDown fired ${fired} s after the kill and ended after the repair; ${seen.ends.length} tunnels moved to b, ${seen.failures.length} of ${seen.visits} newcomers failed`;
}

/** Both processes are stopped: the critical alert fires, and both commands of the README bring the tunnels back. */
export async function bothDown(day) {
  await day.load.pauseNewcomers(true);
  await Promise.all([A, B].map((name) => day.systemd.unit(name).stop()));
  const fired = await day.fires('DeskHasNoServer');
  await day.readme.run('both');
  const back = await day.until('all tunnels are open again', () => day.load.open.size === 8);
  for (const alert of ['DeskHasNoServer', 'DeskProcessDown']) await day.resolves(alert);
  await day.load.pauseNewcomers(false);
  await sleep(500);
  return `DeskHasNoServer fired after ${fired} s; tunnels were open again ${back} s after the start`;
}

/** Redis is gone until the alert fires, and comes back empty: nobody notices, and the counts are back. */
export async function redis(day) {
  const login = day.login('bob');
  const bobs = [];
  for (let number = 0; number < LIMIT; number++) bobs.push(await openTunnel(login, `redis-${number}`));
  const losses = () =>
    ['a', 'b'].flatMap((process) => day.eventsOf(process)).filter(({ up }) => up === false);
  const before = losses().filter(({ event }) => event === 'shared').length;
  let limited;
  let fired;
  try {
    const seen = await day.watch(async () => {
      await day.systemd.unit('redis-server@desk').stop();
      fired = await day.fires('WstunnelSharedDown');
      await day.readme.run('redis');
      limited = await day.until(`a user has no more than ${LIMIT} tunnels`, () => isAtLimit(login));
    });
    day.expectQuiet(seen);
    await day.resolves('WstunnelSharedDown');
    const noticed = losses().filter(({ event }) => event === 'shared').length - before;
    return `${noticed} of 2 processes logged the loss, WstunnelSharedDown fired after ${fired} s, 0 tunnels ended, 0 of ${seen.visits} newcomers failed, and the limit of ${LIMIT} holds again ${limited} s later`;
  } finally {
    for (const tunnel of bobs) await tunnel.close();
  }
}

/** The tunnel of a newcomer may break with its process, but no client may be refused. */
function expectNobodyRefused(day, { failures }) {
  day.expectNone(
    'newcomers that were refused',
    failures.filter((failure) => failure.includes('refused')),
  );
}

async function isAtLimit(login) {
  const tunnel = await openTunnel(login, 'one-more').catch(({ status }) => status);
  if (typeof tunnel !== 'number') await tunnel.close();
  return tunnel === 429;
}

/** The backend is down: the critical alert fires. */
export async function backendDown(day) {
  await day.load.pauseNewcomers(true);
  await day.backend.stop();
  const fired = await day.fires('WstunnelBackendDown');
  const down = await metric('a', 'wstunnel_backend_up');
  await day.backend.start();
  const back = await day.until('all tunnels are open again', () => day.load.open.size === 8);
  await day.resolves('WstunnelBackendDown');
  await day.load.pauseNewcomers(false);
  await sleep(500);
  return `wstunnel_backend_up ${down}, WstunnelBackendDown fired after ${fired} s; tunnels were open again ${back} s after the backend was back`;
}
