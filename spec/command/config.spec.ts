import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { files, runCommand, startCommand } from '../support/command.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { closedPort, startEcho } from '../support/servers.js';

test('a JSON file sets options of middleware and command, paths are relative to its folder, the command line wins', async () => {
  const { port: target } = await startEcho();
  const made = await files({ 'desk.json': '', tokens: '', 'index.html': 'desk', secret: 'right\n' });
  await writeFile(
    made['desk.json']!,
    `{
      // comments are allowed
      "listen": ["127.0.0.1:0", "unix:${join(made.folder!, 's')}"],
      "web": ".",
      "auth": "ann:secret",
      "server": { "/vnc": { "port": ${target} } },
      "rules": [{ "url": "/vnc/shut", "when": { "query": { "startsWith": "no" } }, "deny": ["127.0.0.1"] }],
      "limits": { "perClient": 2 },
      "trustProxy": "unix",
    }`,
  );
  const { url, port, program } = await startCommand(['--config', made['desk.json']!]);
  await program.prints(/listening on unix:/);
  const headers = { Authorization: `Basic ${btoa('ann:right')}` };
  expect((await fetch(url)).status).toBe(401);
  expect(await (await fetch(url, { headers })).text()).toBe('desk');
  await echoes(await openRaw(port, '/vnc/1', headers));
  await expect(openRaw(port, '/vnc/shut?no', headers)).rejects.toThrow('403');
  await echoes(await openRaw(port, '/vnc/shut', headers));
  await expect(openRaw(port, '/vnc/3', headers)).rejects.toThrow('429');

  const free = await closedPort();
  const other = await startCommand([
    '--config',
    made['desk.json']!,
    '--listen',
    String(free),
    '--auth',
    `bob:${made.secret}`,
  ]);
  expect(other.port).toBe(free);
  await echoes(await openRaw(free, '/vnc', { Authorization: `Basic ${btoa('bob:right')}` }));
  await expect(openRaw(free, '/vnc', headers)).rejects.toThrow('401');
});

test('a lighttpd.conf sets the listen addresses, also from included files', async () => {
  const { port: target } = await startEcho();
  const [first, second] = [await closedPort(), await closedPort()];
  const made = await files({
    'desk.txt': 'desk',
    'index.lighttpd.html': 'index',
    'b.inc': `wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${target} ) ) )\n`,
    'a.inc': 'var.where = "/vnc"\n',
    '.c.inc': 'nonsense = = 1',
    'lighttpd.conf': '',
  });
  await writeFile(
    made['lighttpd.conf']!,
    `server.document-root = "${made.folder}"
    index-file.names = ( "index.lighttpd.html" )
    server.bind = "127.0.0.1"
    server.port = ${first}
    $SERVER["socket"] == "127.0.0.1:${second}" { }
    include "*.inc"
    $HTTP["url"] =^ "/none" { wstunnel.server = ( "/never" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) ) }
    ssl.pemfile = "/none"
    `,
  );
  const conf = ['--config', made['lighttpd.conf']!];
  expect((await runCommand(conf)).stderr).toMatch(/lighttpd\.conf:8:5: ssl\.pemfile/);

  const { url, program } = await startCommand([...conf, '--ignore', 'ssl.*']);
  await program.prints(new RegExp(`listening on http://127.0.0.1:${second}/`));
  expect(url).toBe(`http://127.0.0.1:${first}/`);
  expect(await (await fetch(url)).text()).toBe('index');
  for (const port of [first, second]) {
    await echoes(await openRaw(port, '/vnc'));
    expect(await statusOf(port, '/none')).toBe(404);
  }
  // --listen replaces the addresses of the file; lighttpd's default of admitting pages of every site still applies.
  const moved = await startCommand([...conf, '--ignore', 'ssl.*', '--listen', '0']);
  await echoes(await openRaw(moved.port, '/x', { Origin: 'http://other.example' }));
});

test('a folder without any of the index files gets no page, as in lighttpd', async () => {
  const made = await files({ 'index.html': 'not asked for', 'l.conf': '' });
  await writeFile(
    made['l.conf']!,
    `server.document-root = "${made.folder}"
    wstunnel.server = ( "/t" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )`,
  );
  const { url } = await startCommand(['--config', made['l.conf']!, '--listen', '0']);
  expect((await fetch(url)).status).toBe(404);
  expect(await (await fetch(`${url}index.html`)).text()).toBe('not asked for');
});
