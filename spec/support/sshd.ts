import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { Program } from './programs.js';
import { closedPort } from './servers.js';
import { until } from './wait.js';

/** A throw-away sshd on loopback, for the user that runs the test. */
export async function startSshd() {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-sshd-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  const key = (name: string) => {
    const file = join(folder, name);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
    return file;
  };
  const [host, client, other] = [key('host'), key('client'), key('other')];
  writeFileSync(join(folder, 'authorized'), readFileSync(`${client}.pub`), { mode: 0o600 });
  // The account's shell is unknown, and its rc files may print, wait or start another shell. sshd starts the script below with
  // another home folder, so that no rc file of the developer is read.
  const shell = join(folder, 'shell');
  const script =
    '#!/bin/sh\nif [ -n "$SSH_ORIGINAL_COMMAND" ]; then exec sh -c "$SSH_ORIGINAL_COMMAND"; fi\nexec sh -i\n';
  writeFileSync(shell, script, { mode: 0o755 });
  // The folder for sshd's privilege separation.
  if (!existsSync('/run/sshd') && process.getuid?.() === 0) mkdirSync('/run/sshd');
  const port = await closedPort();
  const lines = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${host}`,
    `AuthorizedKeysFile ${join(folder, 'authorized')}`,
    `ForceCommand ${shell}`,
    `SetEnv HOME=${folder} SHELL=/bin/sh`,
    ...['PidFile none', 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin yes'],
  ];
  writeFileSync(join(folder, 'sshd_config'), lines.join('\n'));
  const program = new Program('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'sshd_config')]);
  await until(async () => {
    if (program.process.exitCode !== null || program.process.signalCode !== null)
      throw new Error(`sshd ended: ${program.output}`);
    const socket = connect(port, '127.0.0.1');
    return new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true));
      socket.once('error', () => resolve(false));
    }).finally(() => socket.destroy());
  });
  return {
    port,
    program,
    clientKey: readFileSync(client),
    clientKeyFile: client,
    hostKey: readFileSync(`${host}.pub`),
    otherKey: readFileSync(`${other}.pub`),
  };
}
