import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';

const LOST = ['config.json', 'redis-password', 'tls/desk.pem', 'users/bob'].map(
  (name) => `/etc/express-wstunnel/${name}`,
);

/** A backup that gives lost files back, and a look at what is used up. */
export async function care(day) {
  const seen = await day.watch(async () => {
    await day.readme.run('backup');
    const before = LOST.map(stateOf);
    for (const file of LOST) rmSync(file);
    await day.readme.run('restore');
    day.expect(LOST.every(existsSync), 'a file is missing after the restore');
    const after = LOST.map(stateOf);
    day.expect(after.join() === before.join(), `restored: ${after.join()} in place of ${before.join()}`);
  });
  day.expectQuiet(seen);
  const { stdout } = await day.readme.run('capacity');
  const [a, b, most, now] = stdout.match(/\d+/g).map(Number);
  // Two for each of the eight long tunnels, with a file for each recording, and those of the process itself.
  day.expect(Math.min(a, b) > 20 && now >= 8 && most > 1000, `capacity: ${stdout}`);
  return `${LOST.length} files came back; ${a} and ${b} descriptors, ${now} of ${most} connections`;
}

/** Content, owner and mode. */
function stateOf(file) {
  const { mode, uid, gid } = statSync(file);
  return `${readFileSync(file, 'latin1').length} ${mode.toString(8)} ${uid} ${gid}`;
}
