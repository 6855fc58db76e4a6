import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statfsSync } from 'node:fs';
import { openTunnel } from '../tunnel.mjs';

const FILLER = '/var/filler';
const RECORDINGS = '/var/lib/express-wstunnel/recordings';

function fillDisk() {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${FILLER}`, 'bs=64k'], { stdio: 'ignore' });
  } catch {
    // dd fails at the end of the disk, as it should.
  }
  if (statfsSync('/var').bavail > 0) throw new Error('/var is not full');
}

/** The disk of recordings and logs is full, with `whenFails: 'continue'`: tunnels go on, and no line of the log is lost. */
export async function diskFull(day) {
  const visitsBefore = day.load.visits;
  let caughtUp;
  const seen = await day.watch(async () => {
    fillDisk();
    await day.until('failed recordings are reported', () =>
      ['a', 'b'].some((process) => /a recording failed: .*ENOSPC/.test(day.systemd.unit(`express-wstunnel@${process}`).output)),
    );
    await day.until('newcomers came meanwhile', () => day.load.visits > visitsBefore + 10);
    const last = `new-${day.load.visits - 5}`;
    await day.readme.run('room');
    rmSync(FILLER);
    caughtUp = await day.until('the logs have the lines', () =>
      ['a', 'b'].some((process) => day.pathsOf(process).has(last)),
    );
  });
  day.expectQuiet(seen);
  const lost = ['a', 'b'].flatMap((process) => day.eventsOf(process)).filter(({ event }) => event === 'lost');
  day.expect(lost.length === 0, `lines of the log were lost: ${JSON.stringify(lost)}`);
  return `0 tunnels ended, 0 of ${seen.visits} newcomers failed; the logs caught up ${caughtUp} s after there was room, 0 lines lost`;
}

/** The same with `whenFails: 'close'`: no tunnel without a recording, and the critical alert. */
export async function diskFullStrict(day) {
  await day.load.pauseNewcomers(true);
  await day.readme.run('strict');
  const login = day.login('bob');
  const recorded = [];
  await day.until('the processes have read the new settings', async () => {
    const before = unfinished();
    const tunnel = await openTunnel(login, `strict-${recorded.length}`);
    tunnel.sendForever();
    recorded.push(tunnel);
    return recorded.length >= 4 && unfinished() > before;
  });
  fillDisk();
  const ends = await Promise.all(recorded.map(({ closed }) => closed));
  day.expect(ends.every(({ code }) => code === 1011), `ends: ${JSON.stringify(ends.map(({ code }) => code))}`);
  const fired = await day.fires('WstunnelRecordingsFail');
  rmSync(FILLER);
  const tunnel = await openTunnel(login, 'strict-later');
  tunnel.send();
  await tunnel.settle();
  await tunnel.close();
  await day.load.pauseNewcomers(false);
  return `${ends.length} new tunnels ended with 1011, WstunnelRecordingsFail fired ${fired} s later`;
}

const unfinished = () => readdirSync(RECORDINGS).filter((name) => name.endsWith('.part')).length;

/** logrotate renames the logs, and the processes create new ones. */
export async function rotate(day) {
  const seen = await day.watch(async () => {
    await day.readme.run('rotate');
    const next = `new-${day.load.visits + 4}`;
    await day.until('new lines are in the new files', () => ['a', 'b'].some((process) => day.pathsOf(process).has(next)));
  });
  const names = readdirSync('/var/log/express-wstunnel').sort();
  day.expect(names.join() === 'a.log,a.log.1,b.log,b.log.1', `files: ${names.join()}`);
  day.expectQuiet(seen);
  // Each newcomer that has come and gone is in the log exactly once.
  const opened = ['a', 'b'].flatMap((process) => day.eventsOf(process).filter(({ event }) => event === 'open'));
  const urls = opened.map(({ url }) => url).filter((url) => url.includes('/new-'));
  day.expect(new Set(urls).size === urls.length, 'a line is twice in the logs');
  return `${names.join(', ')}; ${urls.length} of ${day.load.visits} newcomers are in them, 0 tunnels ended`;
}
