import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statfsSync, utimesSync, writeFileSync } from 'node:fs';
import { openTunnel } from '../tunnel.mjs';

const FILLER = '/var/filler';
const PROCESSES = ['a', 'b'];

function fillDisk() {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${FILLER}`, 'bs=64k'], { stdio: 'ignore' });
  } catch {
    // Expected: dd fails when the disk is full.
  }
  if (statfsSync('/var').bavail > 0) throw new Error('/var is not full');
}

/** An empty recording that was last written some days ago. */
function recordingOf(days) {
  const path = `/var/lib/express-wstunnel/recordings/${days}-days.wsrec`;
  const seconds = Date.now() / 1000 - days * 86_400;
  writeFileSync(path, '');
  utimesSync(path, seconds, seconds);
  return path;
}

/** The disk of recordings and logs is full, with `whenFails: 'continue'`: tunnels go on, and no line of the log is lost. */
export async function diskFull(day) {
  const visitsBefore = day.load.visits;
  let caughtUp;
  let fired;
  const seen = await day.watch(async () => {
    fillDisk();
    try {
      for (const report of [
        /a recording failed: .* the disk is full$/m,
        /\.log: the disk is full; retrying$/m,
      ])
        await day.until(`a line ${report}`, () =>
          PROCESSES.some((process) => report.test(outputOf(day, process))),
        );
      await day.until('newcomers came meanwhile', () => day.load.visits > visitsBefore + 10);
      fired = await day.fires('WstunnelTunnelsUnrecorded');
      const [old, young] = [31, 29].map((days) => recordingOf(days));
      await day.readme.run('room');
      day.expect(!existsSync(old) && existsSync(young), 'not exactly the recording of 31 days ago is gone');
    } finally {
      rmSync(FILLER);
    }
    const during = Array.from(
      { length: day.load.visits - visitsBefore },
      (_, at) => `new-${visitsBefore + at}`,
    );
    caughtUp = await day.until('the logs have the lines of all newcomers', () => {
      const logged = PROCESSES.map((process) => day.pathsOf(process));
      return during.every((path) => logged.some((paths) => paths.has(path)));
    });
  });
  day.expectQuiet(seen);
  const lost = PROCESSES.flatMap((process) => day.eventsOf(process)).filter(({ event }) => event === 'lost');
  day.expectNone('lost lines of the log', lost);
  return `0 tunnels ended, 0 of ${seen.visits} newcomers failed; WstunnelTunnelsUnrecorded fired ${fired} s after these, the logs caught up ${caughtUp} s after there was room, 0 lines lost`;
}

/** The same with `whenFails: 'close'`: tunnels without a recording end, and the critical alert fires. */
export async function diskFullStrict(day) {
  await day.load.pauseNewcomers(true);
  const reloads = PROCESSES.map((process) => reloadsOf(day, process));
  await day.readme.run('strict');
  await day.until('both processes have read the new settings', () =>
    PROCESSES.every((process, at) => reloadsOf(day, process) > reloads[at]),
  );
  const login = day.login('bob');
  const recorded = [];
  for (let number = 0; number < 4; number++) recorded.push(await openTunnel(login, `strict-${number}`));
  for (const tunnel of recorded) tunnel.sendForever();
  let fired;
  const seen = await day.watch(async () => {
    fillDisk();
    try {
      await day.until('all recorded tunnels end', () => recorded.every(({ isOpen }) => !isOpen));
      fired = await day.fires('WstunnelRecordingsFail');
    } finally {
      rmSync(FILLER);
    }
  });
  const ends = await Promise.all(recorded.map(({ closed }) => closed));
  day.expectNone(
    'ends with another code',
    ends.filter(({ code }) => code !== 1011),
  );
  day.expectQuiet(seen);
  const later = await openTunnel(login, 'strict-later');
  later.send();
  await later.settle();
  await later.close();
  await day.load.pauseNewcomers(false);
  return `${ends.length} tunnels opened after the reload ended with 1011, 0 other tunnels; WstunnelRecordingsFail fired ${fired} s later; tunnels open again when the disk has space`;
}

const outputOf = (day, process) => day.systemd.unit(`express-wstunnel@${process}`).output;
const reloadsOf = (day, process) => outputOf(day, process).split('the settings were reloaded').length;

/** logrotate renames the logs, and the processes create new ones. */
export async function rotate(day) {
  const seen = await day.watch(async () => {
    await day.readme.run('rotate');
    const next = `new-${day.load.visits + 4}`;
    await day.until('new lines are in the new files', () =>
      PROCESSES.some((process) => day.pathsOf(process).has(next)),
    );
  });
  const names = readdirSync('/var/log/express-wstunnel').sort();
  day.expect(names.join() === 'a.log,a.log.1,b.log,b.log.1', `files: ${names.join()}`);
  day.expectQuiet(seen);
  // Each newcomer that has ended is in the log exactly once.
  const opened = PROCESSES.flatMap((process) =>
    day.eventsOf(process).filter(({ event }) => event === 'open'),
  );
  const urls = opened.map(({ url }) => url).filter((url) => url.includes('/new-'));
  day.expect(new Set(urls).size === urls.length, 'the logs have a line twice');
  return `${names.join(', ')}; ${urls.length} of ${day.load.visits} newcomers are in them, 0 tunnels ended`;
}
