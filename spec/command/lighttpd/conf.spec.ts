import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { files, nameAt, runCommand, startCommand, startNamed } from '../../support/command.js';
import { describeWith, Program } from '../../support/programs.js';
import { echoes, openRaw, pageRequest, pageStatus, RawClient, statusOf } from '../../support/raw-client.js';
import { closedPort, startEcho } from '../../support/servers.js';

const backend = (port: number) =>
  `wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${port} ) ) )\n`;

/** Makes a folder with pages and a configuration for the folder. */
async function site(text: (folder: string) => string): Promise<{ conf: string; folder: string }> {
  const made = await files({ 'l.conf': '', 'public.txt': 'public' }, 0o644);
  const folder = made.folder!;
  for (const name of ['www', 'www/open', 'www/only', 'www/shut', 'www/local', 'other'])
    mkdirSync(join(folder, name));
  for (const name of ['a~', 'a.inc', 'a.php', 'a.txt'])
    for (const place of ['www', 'www/open', 'www/only', 'www/shut', 'www/local', 'other'])
      writeFileSync(join(folder, place, name), name);
  writeFileSync(made['l.conf']!, text(folder));
  return { conf: made['l.conf']!, folder };
}

const ACCESS = (folder: string) => `server.document-root = "${folder}/www"
  server.modules += ( "mod_access", "mod_wstunnel" )
  url.access-deny = ( "~", ".inc" )
  static-file.exclude-extensions = ( ".php" )
  $HTTP["url"] =^ "/open" { url.access-deny = () }
  $HTTP["url"] =^ "/only" { url.access-allow = ( ".txt" ) }
  $HTTP["remoteip"] == "127.0.0.0/8" { $HTTP["url"] =^ "/local" { url.access-deny = ( "" ) } }
  $HTTP["remoteip"] == "192.0.2.0/24" { url.access-deny = ( "" ) }
  $HTTP["url"] =~ "^/shut" { url.access-deny = ( "" ) } else $HTTP["url"] =$ "/b" { url.access-deny = ( "b" ) }
`;

const VISITS = [
  ...[
    '/a.txt',
    '/a~',
    '/a%7e',
    '/a%7E',
    '/a.inc',
    '/a.php',
    '/x/../a~',
    '//a~',
    '/open/a~',
    '/open/a.php',
    '/only/a.txt',
  ],
  ...[
    '/only/a~',
    '/only/a.php',
    '/local/a.txt',
    '/%6cocal/a.txt',
    '/x/../local/a.txt',
    '/shut/a.txt',
    '/shut',
    '/b',
    '/none',
  ],
];

describeWith('lighttpd')("issue 13, case 8: the command applies lighttpd's access lists", () => {
  test('each page gets the same status as from lighttpd', async () => {
    const port = await closedPort();
    const { conf } = await site(
      (folder) => `${ACCESS(folder)}server.port = ${port}\nserver.bind = "127.0.0.1"\n`,
    );
    await new Program('lighttpd', ['-D', '-f', conf]).prints(/server started/);
    const ours = await site((folder) => ACCESS(folder) + backend(1));
    const command = await startCommand(['--config', ours.conf, '--listen', '0']);
    for (const path of VISITS)
      expect(await pageStatus(command.port, path), path).toBe(await pageStatus(port, path));
  });
});

describe('issue 13, case 8: access rules of a lighttpd.conf guard tunnels and pages', () => {
  test('$HTTP["remoteip"] with url.access-deny refuses both', async () => {
    const { port: target } = await startEcho();
    const { conf } = await site(
      (folder) => `server.document-root = "${folder}/www"
        ${backend(target)}
        $HTTP["remoteip"] != "127.0.0.1" { url.access-deny = ( "" ) }`,
    );
    const args = ['--config', conf, '--listen', '0', '--trust-proxy', 'loopback'];
    const { port } = await startCommand(args);
    await echoes(await openRaw(port));
    expect(await statusOf(port, '/', { 'X-Forwarded-For': '192.0.2.7' })).toBe(403);
    expect(await pageStatus(port, '/a.txt')).toBe(200);
    // --ignore still skips the rule.
    const open = await startCommand([...args, '--ignore', 'url.access-deny']);
    expect(await statusOf(open.port, '/', { 'X-Forwarded-For': '192.0.2.7' })).toBe(101);
  });

  test('a denied index page is not served for its folder either', async () => {
    const { conf, folder } = await site(
      (root) => `server.document-root = "${root}/www"
        index-file.names = ( "a.php", "a.inc", "a.txt" )
        static-file.exclude-extensions = ( ".php" )
        url.access-deny = ( ".inc" )
        ${backend(1)}`,
    );
    const { url } = await startCommand(['--config', conf, '--listen', '0']);
    expect(await (await fetch(url)).text()).toBe('a.txt');
    expect(folder).not.toBe('');
  });

  test('$SERVER["socket"] around a tunnel opens the tunnel on that socket only', async () => {
    const [first, second] = [await startNamed('a'), await startNamed('b')];
    const [main, own] = [await closedPort(), await closedPort()];
    const { conf } = await site(
      () => `server.port = ${main}
        server.bind = "127.0.0.1"
        $HTTP["url"] =^ "/a" { ${backend(first)} }
        $SERVER["socket"] == "127.0.0.1:${own}" { $HTTP["url"] =^ "/b" { ${backend(second)} } }`,
    );
    const { program } = await startCommand(['--config', conf]);
    await program.prints(new RegExp(`listening on http://127\\.0\\.0\\.1:${own}/`));
    expect(await nameAt(main, '/a')).toBe('a');
    expect(await nameAt(own, '/a')).toBe('a');
    expect(await nameAt(own, '/b')).toBe('b');
    expect(await statusOf(main, '/b')).toBe(404);
  });

  test.each<[string, RegExp]>([
    [
      `server.port = 81\n$SERVER["socket"] == "127.0.0.1:81" { ${backend(1)} }`,
      /l\.conf:2:1: another socket has the port 81 too: run a second command/,
    ],
    [
      `$SERVER["socket"] == "/run/s" { ${backend(1)} }`,
      /l\.conf:1:1: a condition on a unix socket, .*run a second command/,
    ],
    [
      `$SERVER["socket"] == ":443" { ssl.engine = "enable" ssl.pemfile = "/etc/x.pem" ${backend(1)} }`,
      /ssl\.pemfile is not supported: start with --cert '\/etc\/x\.pem' with --listen ':443' \(run a second command/,
    ],
  ])('%s', async (text, line) => {
    const { 'l.conf': conf } = await files({ 'l.conf': text });
    const run = await runCommand(['--config', conf!]);
    expect(run.stderr).toMatch(line);
    expect(run.code).toBe(3);
  });

  test('equal sockets are opened once; every address is IPv4, and [::] is IPv6 only, as in lighttpd', async () => {
    const port = await closedPort();
    const { 'l.conf': conf } = await files({
      'l.conf': `server.port = ${port}\n$SERVER["socket"] == "[::]:${port}" { }\n$SERVER["socket"] == ":${port}" { }\n${backend(1)}`,
    });
    const { program } = await startCommand(['--config', conf!]);
    await program.prints(/listening on http:\/\/\[::\]/);
    await program.prints(/listening on http:\/\/0\.0\.0\.0/);
    expect(program.output.match(/listening on/g)).toHaveLength(2);
    // A client on [::] would bypass access rules for IPv4 addresses.
    const { 'm.conf': narrow } = await files({
      'm.conf': `server.port = ${await closedPort()}\n${backend(1)}`,
    });
    const other = await startCommand(['--config', narrow!]);
    const refusal = once(connect(other.port, '::1'), 'connect').catch(
      (error: unknown) => (error as NodeJS.ErrnoException).code,
    );
    expect(await refusal).toBe('ECONNREFUSED');
    await expect(openRaw(other.port)).rejects.toThrow('502');
  });
});

describe('issue 13, case 18: what the command reports about a lighttpd.conf at the start', () => {
  test('a document root in a condition is served there, and the warning names the directive', async () => {
    const { conf, folder } = await site(
      (root) => `server.document-root = "${root}/www"
        $HTTP["host"] == "other.example" { server.document-root = "${root}" }
        ${backend(1)}`,
    );
    const { port, program } = await startCommand(['--config', conf, '--listen', '0']);
    const bodyAt = async (host: string, path: string) => {
      const request = pageRequest(path, { Host: host });
      return (await new RawClient(port).send(request).answer()).status;
    };
    expect(await bodyAt('h', '/public.txt')).toBe(404);
    expect(await bodyAt('other.example', '/public.txt')).toBe(200);
    // The configuration file is in the second folder.
    expect(await bodyAt('other.example', '/l.conf')).toBe(404);
    await program.prints(
      new RegExp(
        `warning: ${folder}/l\\.conf is private, but in the folder that server\\.document-root serves`,
      ),
    );
    expect(program.output).not.toContain('--web');
  });

  test('one line lists every directive that is not supported', async () => {
    const { 'l.conf': conf } = await files({
      'l.conf': `server.modules += ( "mod_accesslog" )
        server.errorlog = "/x"
        $HTTP["url"] == "/" { accesslog.filename = "/y" auth.require = () }
        server.pid-file = "/run/l.pid"
        ${backend(1)}`,
    });
    const { program } = await startCommand(['--config', conf!, '--listen', '0', '--ignore', 'auth.*']);
    const [, list = ''] = await program.prints(/l\.conf: ignored: (.*)/);
    expect(list).toBe(
      'server.errorlog (l.conf line 2; messages go to stderr), accesslog.filename (l.conf line 3; --log FILE writes an event ' +
        'for each tunnel), auth.require (l.conf line 3; by --ignore), server.pid-file (l.conf line 4; no such file is written)',
    );
    expect(program.output.match(/ignored: /g)).toHaveLength(1);
  });

  test('a warning lists who can reach the command, pages of every site, and each guard that was skipped', async () => {
    const { 'l.conf': conf } = await files({ 'l.conf': `auth.require = ()\n${backend(1)}` });
    const args = ['--config', conf!, '--listen', ':0'];
    const { program } = await startCommand([...args, '--ignore', 'auth.require']);
    await program.prints(
      /warning: every client that can reach :0 may open a tunnel; require a login with --auth \(--ignore skips auth\.require of .*l\.conf:1\)/,
    );
    await program.prints(
      /warning: pages of every site may open tunnels.*: limit the sites with wstunnel\.origins/,
    );
  });

  test('a warning says that a skipped login guards nothing, also on loopback', async () => {
    const { 'l.conf': conf } = await files({ 'l.conf': `auth.require = ()\n${backend(1)}` });
    const args = ['--config', conf!, '--listen', '127.0.0.1:0', '--ignore', 'auth.*', '--check-config'];
    expect((await runCommand(args)).stderr).toMatch(
      /no login is required; require one with --auth \(--ignore skips auth/,
    );
  });

  test('the messages name a TLS socket that is not opened, and a missing user', async () => {
    const text = `$SERVER["socket"] == ":8443" { ssl.engine = "enable" }\n${backend(1)}`;
    const { 'l.conf': conf } = await files({ 'l.conf': text });
    const args = ['--config', conf!, '--listen', '127.0.0.1:0', '--ignore', 'ssl.*', '--check-config'];
    const { stderr } = await runCommand(args);
    expect(stderr).toMatch(
      /\$SERVER\["socket"\] == ":8443" is ignored: a command serves https on all of its addresses or on none/,
    );
    if (process.getuid?.() === 0)
      expect(stderr).toMatch(/the process stays root: server\.username, or --user/);
    const { 'm.conf': group } = await files({ 'm.conf': `server.groupname = "nogroup"\n${backend(1)}` });
    const run = await runCommand(['--config', group!, '--check-config']);
    expect([run.code, run.stderr]).toEqual([
      3,
      expect.stringMatching(/m\.conf:1: server\.groupname needs server\.username/),
    ]);
  });

  test('client certificates that the file requires are not reported as plain https', async () => {
    const { 'l.conf': conf } = await files({
      'l.conf': `ssl.verifyclient.enforce = "enable"\n${backend(1)}`,
    });
    expect((await runCommand(['--config', conf!, '--check-config'])).stderr).toMatch(/use --client-ca FILE/);
  });

  test.each([
    [`wstunnel.origins = ( "a.example" )\n${backend(1)}`, false],
    [`$HTTP["url"] =^ "/a" { ${backend(1)} wstunnel.origins = ( "a.example" ) }`, false],
    [
      // The condition matches every path, but the command does not analyse conditions.
      `$HTTP["url"] =^ "/" { wstunnel.origins = ( "a.example" ) }\n$HTTP["url"] =^ "/a" { ${backend(1)} }`,
      true,
    ],
    [
      `$HTTP["url"] =^ "/a" { ${backend(1)} wstunnel.origins = ( "a.example" ) } else { ${backend(2)} }`,
      true,
    ],
    [`${backend(1)}\n$HTTP["host"] == "x" { wstunnel.origins = ( "a.example" ) }`, true],
  ])('a warning says that pages of every site may connect: %j', async (text, isOpen) => {
    const { 'l.conf': conf } = await files({ 'l.conf': text });
    const run = await runCommand(['--config', conf!, '--listen', '127.0.0.1:0', '--check-config']);
    expect(run.code).toBe(0);
    expect(/pages of every site/.test(run.stderr)).toBe(isOpen);
  });
});
