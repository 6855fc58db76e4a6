import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { hashSync } from 'bcryptjs';
import { expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { files, startCommand } from '../support/command.js';
import { handshake, RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const basic = (user: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

async function statusOf(port: number, headers = {}): Promise<number> {
  return (await new RawClient(port).send(handshake('/websockify', headers)).answer()).status;
}

test('--auth guards the page and the tunnel by one login', async () => {
  const { port: target } = await startEcho();
  const made = await files({
    'desk.htpasswd': `# all\nann:${hashSync('correct horse', 4)}\nbob:${hashSync('päss:wörd', 4)}\n`,
    'ada.secret': 'plain one\n',
    'eve.secret': `eve:${hashSync('hashed one', 4)}\n`,
    'index.html': 'desk',
  });
  const logins = [made['desk.htpasswd'], `ada:${made['ada.secret']}`, `eve:${made['eve.secret']}`];
  const auth = logins.flatMap((one) => ['--auth', one!]);
  const { program, port, url } = await startCommand([
    '0',
    String(target),
    ...auth,
    '--web',
    made.folder!,
    '-v',
  ]);

  const refused = await fetch(url);
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toMatch(/^Basic realm="/);
  const wrong = [{}, basic('ann', 'wrong'), basic('bob', ''), basic('nobody', 'plain one'), basic('', '')];
  const odd = ['Basic', 'Basic !', 'Bearer x', `Basic ${Buffer.from('ann').toString('base64')}`];
  for (const headers of [...wrong, ...odd.map((Authorization) => ({ Authorization }))]) {
    expect((await fetch(url, { headers })).status).toBe(401);
    expect(await statusOf(port, headers)).toBe(401);
  }
  // The hash itself is no password.
  expect(await statusOf(port, basic('ann', hashSync('correct horse', 4)))).toBe(401);
  const right = [
    basic('ann', 'correct horse'),
    basic('bob', 'päss:wörd'),
    basic('ada', 'plain one'),
    basic('eve', 'hashed one'),
  ];
  for (const headers of [...right, ...right]) {
    expect(await (await fetch(url, { headers })).text()).toBe('desk');
    expect(await statusOf(port, headers)).toBe(101);
  }
  await program.prints(/^open {4}eve@127\.0\.0\.1 /m);
  expect(program.output).not.toMatch(/correct|plain|\$2/);
});

test('SIGHUP: who was taken from the file does not come in again', async () => {
  const { port: target } = await startEcho();
  const { file } = await files({ file: 'old\n' });
  const command = await startCommand(['0', String(target), '--auth', `ann:${file}`]);
  expect(await statusOf(command.port, basic('ann', 'old'))).toBe(101);
  await writeFile(file!, 'new\n');
  command.program.process.kill('SIGHUP');
  await until(() => command.program.output.includes('read again'));
  expect(await statusOf(command.port, basic('ann', 'old'))).toBe(401);
  expect(await statusOf(command.port, basic('ann', 'new'))).toBe(101);
});

test('a plain password that everybody on the machine can read is told of', async () => {
  const { port: target } = await startEcho();
  const { file } = await files({ file: 'open\n' }, 0o644);
  const { program } = await startCommand(['0', String(target), '--auth', `ann:${file}`]);
  expect(program.output).toMatch(/every user of this machine can read the password/);
});

test('--cert: https and wss; --client-ca: with a certificate of the client', async () => {
  const { port: target } = await startEcho();
  const [server, client] = [makeCertificate(), makeCertificate({ name: 'client' })];
  // As websockify: the key may be in the certificate's file.
  const made = await files({ pem: Buffer.concat([server.cert, server.key]), ca: client.cert });
  const knock = async (port: number, options = {}) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: server.cert, ...options });
    await once(socket, 'secureConnect');
    return (await new RawClient(socket).send(handshake('/')).answer()).status;
  };
  const open = await startCommand(['0', String(target), '--cert', made.pem!]);
  expect(open.url).toMatch(/^https:/);
  expect(await knock(open.port)).toBe(101);

  const guarded = await startCommand(['0', String(target), '--cert', made.pem!, '--client-ca', made.ca!]);
  expect(await knock(guarded.port, client)).toBe(101);
  await expect(knock(guarded.port)).rejects.toThrow();
  await expect(knock(guarded.port, makeCertificate({ name: 'client' }))).rejects.toThrow();
});

test('what may not have been meant is told at the start', async () => {
  const { port: target } = await startEcho();
  const { file } = await files({ file: 'secret\n' });
  const open = await startCommand([':0', String(target)]);
  await open.program.prints(/beware: whoever reaches :0 may open a tunnel/);
  const clear = await startCommand(['0.0.0.0:0', String(target), '--auth', `ann:${file}`]);
  await clear.program.prints(/beware: passwords and bytes can be read on the way; --cert/);
});
