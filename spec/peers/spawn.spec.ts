import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fromLighttpdConf } from '../../src/index.js';
import { startLighttpd } from '../support/lighttpd.js';
import { besideLighttpd } from '../support/lighttpd-version.js';
import { describeWith } from '../support/programs.js';
import { openRaw } from '../support/raw-client.js';
import { makeTunnel, startApp } from '../support/servers.js';
import { processesWith, temporaryFolder } from '../support/spawned.js';
import { until } from '../support/wait.js';

/** Accepts connections on descriptor 0, prints its arguments, and records the signal that ends it. */
const PROGRAM = `#!/usr/bin/env python3
import os, signal, socket, sys
def end(number, _):
    open(os.environ['TRACE'] + '.' + str(os.getpid()), 'w').write(signal.Signals(number).name)
    os._exit(0)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, end)
listening = socket.socket(fileno=0)
while True:
    client, _ = listening.accept()
    given = [sys.argv[1:], os.environ.get('DESK'), os.environ.get('COPIED'), os.environ.get('OTHER')]
    client.sendall((str(os.getpid()) + ' ' + repr(given) + '\\n').encode())
    client.close()
`;

interface Seen {
  readonly answers: string[];
  readonly processes: number;
  readonly signals: string[];
}

/** Opens three tunnels in sequence, then ends the server. */
async function see(
  port: number,
  mark: string,
  trace: string,
  expected: number,
  end: () => Promise<unknown>,
): Promise<Seen> {
  const answers: string[] = [];
  const pids = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const client = await openRaw(port, '/');
    const [line] = await client.shows(/^.*\n/);
    const [pid = '', ...rest] = line.trim().split(' ');
    pids.add(pid);
    answers.push(rest.join(' '));
    client.socket.destroy();
  }
  const running = () => processesWith(mark).map((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
  const isProgram = (name: string) => name.startsWith('python3') || name === 'program';
  const count = () => running().filter(isProgram).length;
  // During exec a process has neither the name nor the environment yet.
  await until(() => count() >= expected);
  const processes = count();
  await end();
  await until(() => processesWith(mark).length === 0);
  const noted = (pid: string) => existsSync(`${trace}.${pid}`) && readFileSync(`${trace}.${pid}`, 'utf8');
  return { answers, processes, signals: Array.from(pids, (pid) => noted(pid) || 'none') };
}

describeWith('lighttpd', 'python3')(besideLighttpd('bin-path'), () => {
  test.each([
    ['two processes', '"min-procs" => 2, "max-procs" => 2,', 2, 'SIGTERM'],
    ['another signal', '"max-procs" => 1, "kill-signal" => 10,', 1, 'SIGUSR1'],
    [
      'bin-copy-environment',
      '"max-procs" => 1, "bin-copy-environment" => ( "COPIED", "PATH" ),',
      1,
      'SIGTERM',
    ],
  ])('%s', async (_name, more, processes, signal) => {
    const folder = await temporaryFolder();
    const program = join(folder, 'program');
    writeFileSync(program, PROGRAM);
    chmodSync(program, 0o755);
    process.env.COPIED = 'copied';
    process.env.OTHER = 'other';

    const ask = async (isOurs: boolean): Promise<Seen> => {
      const mark = `MARK_${randomUUID().replaceAll('-', '')}`;
      const trace = join(folder, mark);
      const environment = `"bin-environment" => ( "DESK" => "one", "TRACE" => "${trace}", "${mark}" => "1" ),`;
      // lighttpd appends a number for each process; with ports, the next port may be in use.
      const host = `"socket" => "${trace}.sock", "bin-path" => "${program} a bc",`;
      const conf = `wstunnel.server = ( "" => ( ( ${host} ${environment} ${more} ) ) )\nwstunnel.frame-type = "binary"\n`;
      if (isOurs) {
        const tunnel = makeTunnel(fromLighttpdConf(conf).options);
        const { port } = await startApp((app) => app.use(tunnel));
        return see(port, mark, trace, processes, () => tunnel.close({ timeout: 1 }));
      }
      const { port, program: lighttpd } = await startLighttpd(conf);
      return see(port, mark, trace, processes, () => lighttpd.stop());
    };
    // lighttpd sometimes drops a request while programs start.
    const theirs = await ask(false).catch(() => ask(false));
    const ours = await ask(true);
    expect(theirs).toMatchObject({ processes, signals: theirs.signals.map(() => signal) });
    expect(ours.processes).toBe(theirs.processes);
    expect(ours.signals.every((one) => one === signal)).toBe(true);
    expect(theirs.answers[0]).toContain("[['a', 'bc'], 'one', 'copied', ");
    const copies = more.includes('copy');
    // Without `bin-copy-environment` lighttpd passes the whole environment on. Our tunnel does not, because of secrets.
    const expected = theirs.answers.map((answer) =>
      copies ? answer : answer.replace("'copied', 'other'", 'None, None'),
    );
    expect(ours.answers).toEqual(expected);
  });
});
