import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.js';
import { files, runCommand, startCommand } from '../../support/command.js';
import { echoes, openRaw, requestTunnel } from '../../support/raw-client.js';
import { closedPort, listen, startEcho } from '../../support/servers.js';

// Rewritten public configurations with mod_wstunnel: directives and nesting are unchanged, names and values are new.

/** Makes a folder like /etc/lighttpd; returns the path of the lighttpd.conf. */
async function etc(texts: Record<string, string>): Promise<{ conf: string; folder: string }> {
  const { folder = '' } = await files({});
  for (const [name, text] of Object.entries(texts)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return { conf: join(folder, 'lighttpd.conf'), folder };
}

/** Runs the command, which must fail and list every problem; returns the lines without the program's name. */
async function problemsOf(conf: string, env: Record<string, string> = {}): Promise<string[]> {
  const { code, stderr } = await runCommand(['--config', conf], env);
  expect(code).toBe(3);
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^express-wstunnel: /, ''));
}

/** The options that the last line recommends. */
function ignoring(lines: readonly string[]): string[] {
  const [, options = ''] =
    /^once you have checked these directives, ignore them with (.*)$/.exec(lines.at(-1) ?? '') ?? [];
  expect(options).not.toBe('');
  return options.split(' ');
}

const backend = (port: number) =>
  `wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${port} ) ) )`;

describe('issue 13, case 8: configurations found on the web start at the second attempt at the latest', () => {
  test("a home router's user interface: TLS, CGI, a proxy and the tunnel, one file each", async () => {
    const { port } = await startEcho();
    const { cert, key } = makeCertificate();
    const { conf, folder } = await etc({
      'lighttpd.conf': `server.port = 443
        server.bind = "0.0.0.0"
        server.username = "www-data"
        server.modules = ( "mod_openssl", "mod_proxy", "mod_wstunnel", "mod_cgi", "mod_setenv", "mod_access", "mod_alias" )
        include "conf.d/*.conf"`,
      'router.pem': String(cert) + String(key),
      'www/index.html': 'router',
      'conf.d/10-ssl.conf': '',
      'conf.d/20-auth.conf': `$HTTP["url"] =~ "^/api/auth" {
          cgi.assign = ( "" => "" )
          alias.url = ( "/api/auth" => "/www/cgi-bin/auth" )
        }`,
      'conf.d/40-bridge.conf': `$HTTP["url"] =~ "^/api/(?!auth|ai)" {
          proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 8080 ) ) )
          proxy.header = ( "map-urlpath" => ( "/api" => "/api" ) )
        }`,
      'conf.d/50-websocket.conf': `$HTTP["url"] =~ "^/usp-ws" {
          ${backend(port)}
          wstunnel.frame-type = "binary"
          wstunnel.ping-interval = 30
        }`,
    });
    await writeFile(
      join(folder, 'conf.d/60-static.conf'),
      `server.document-root = "${folder}/www"
       index-file.names = ( "index.html" )
       mimetype.assign = ( ".html" => "text/html" )
       $HTTP["url"] =~ "\\.(css|js|wasm)$" { setenv.add-response-header = ( "Cache-Control" => "immutable" ) }
       server.error-handler-404 = "/index.html"`,
    );
    await writeFile(
      join(folder, 'conf.d/10-ssl.conf'),
      `ssl.engine = "enable"
       ssl.pemfile = "${folder}/router.pem"
       ssl.openssl.ssl-conf-cmd = ( "MinProtocol" => "TLSv1.2" )`,
    );
    const lines = await problemsOf(conf);
    expect(lines.map((line) => line.split(' ', 2).join(' ').replace(`${folder}/`, ''))).toEqual([
      'conf.d/10-ssl.conf:1:1: ssl.engine',
      'conf.d/10-ssl.conf:2:8: ssl.pemfile',
      'conf.d/10-ssl.conf:3:8: ssl.openssl.ssl-conf-cmd',
      'conf.d/20-auth.conf:2:11: cgi.assign',
      'conf.d/20-auth.conf:3:11: alias.url',
      'conf.d/40-bridge.conf:2:11: proxy.server',
      'conf.d/40-bridge.conf:3:11: proxy.header',
      'conf.d/60-static.conf:4:45: setenv.add-response-header',
      'conf.d/60-static.conf:5:8: server.error-handler-404',
      'once you',
    ]);
    expect(lines[1]).toContain(`start with --cert '${folder}/router.pem'`);
    expect(lines.join('\n')).not.toMatch(/app\.|express\.static|ignore: \[|res\.|node:https/);
    const args = [
      '--config',
      conf,
      ...ignoring(lines),
      '--cert',
      join(folder, 'router.pem'),
      '--listen',
      '0',
    ];
    const { port: own, program } = await startCommand(args);
    const dial = () => connectTls({ port: own, host: '127.0.0.1', rejectUnauthorized: false });
    await echoes(await openRaw(dial(), '/usp-ws'));
    await program.prints(/ignored: .*ssl\.engine \(10-ssl\.conf line 1; by --ignore\)/);
  });

  test('a terminal of a demonstration machine: settings from the environment, a backend on a unix socket', async () => {
    const { folder } = await files({ 'index.html': 'terminal' });
    const free = await closedPort();
    const socket = join(folder!, 'ttyd.sock');
    await listen(
      createServer((client) => client.pipe(client)),
      socket,
    );
    const { conf } = await etc({
      'lighttpd.conf': `server.modules = ( "mod_access", "mod_alias", "mod_accesslog", "mod_wstunnel", "mod_redirect", )
        server.document-root = env.DEMO_ROOT
        server.port = env.DEMO_PORT
        server.bind = env.DEMO_HOST
        server.errorlog = env.DEMO_LOG
        accesslog.filename = env.DEMO_LOG
        index-file.names = ( "index.html" )
        mimetype.assign = ( ".html" => "text/html" )
        $HTTP["url"] =~ "^/ws$" {
          wstunnel.server = ( "" => ( ( "socket" => env.DEMO_SOCKET ) ) )
          wstunnel.frame-type = "binary"
        }`,
    });
    const env = {
      ...{ DEMO_ROOT: folder!, DEMO_PORT: String(free), DEMO_HOST: '127.0.0.1' },
      ...{ DEMO_LOG: '/nowhere/log', DEMO_SOCKET: socket },
    };
    const { url, port, program } = await startCommand(['--config', conf], env);
    expect(await (await fetch(url)).text()).toBe('terminal');
    await echoes(await openRaw(port, '/ws'));
    await program.prints(
      /ignored: server\.errorlog \(.* line 5; messages go to stderr\), accesslog\.filename \(.* line 6; --log FILE/,
    );
  });

  test('an observatory: text frames and PINGs, with streaming options', async () => {
    const { port } = await startEcho();
    const { conf } = await etc({
      'lighttpd.conf': `server.modules += ( "mod_wstunnel" )
        server.bind = "127.0.0.1"
        $HTTP["url"] =~ "^/indi-websocket" {
          ${backend(port)}
          wstunnel.ping-interval = 10
          wstunnel.frame-type = "text"
          server.stream-request-body  = 2
          server.stream-response-body = 2
        }`,
    });
    const command = await startCommand(['--config', conf, '--listen', '0']);
    await echoes(await openRaw(command.port, '/indi-websocket'));
  });

  test("a radio appliance in Debian's layout: include_shell, rewriting and a proxy", async () => {
    const { port } = await startEcho();
    const { conf } = await etc({
      'lighttpd.conf': `server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect" )
        server.upload-dirs = ( "/var/cache/lighttpd/uploads" )
        server.errorlog = "/var/log/lighttpd/error.log"
        server.pid-file = "/run/lighttpd.pid"
        server.port = 80
        server.feature-flags += ( "server.h2proto" => "enable" )
        server.http-parseopts = ( "header-strict" => "enable", "url-normalize-required" => "enable" )
        index-file.names = ( "index.php", "index.html" )
        url.access-deny = ( "~", ".inc" )
        static-file.exclude-extensions = ( ".php", ".pl", ".fcgi" )
        include_shell "/usr/share/lighttpd/use-ipv6.pl " + server.port
        include_shell "/usr/share/lighttpd/create-mime.conf.pl"
        include "conf-enabled/*.conf"
        server.modules += ( "mod_dirlisting", "mod_staticfile" )`,
      'conf-enabled/99-radio.conf': `$HTTP["url"] =~ "^/chat-ws($|/)" { ${backend(port)} }
        $HTTP["url"] =~ "^/radio($|/)" {
          url.rewrite-once = ( "^/radio$" => "/", "^/radio/(.*)$" => "/$1" )
          proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 8073 ) ) )
        }
        $HTTP["url"] =~ "^/radio/ws" { ${backend(port)} }`,
    });
    const lines = await problemsOf(conf);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(
      /lighttpd\.conf:11:9: include_shell is never run: write the output .* --ignore include_shell$/,
    );
    expect(lines[2]).toMatch(/conf-enabled\/99-radio\.conf:3:11: url\.rewrite-once /);
    const command = await startCommand(['--config', conf, ...ignoring(lines), '--listen', '0']);
    await echoes(await openRaw(command.port, '/chat-ws'));
    await echoes(await openRaw(command.port, '/radio/ws'));
  });

  test('a 3D printer: a page of one file, a proxy next to the tunnel', async () => {
    const { port } = await startEcho();
    const { conf } = await etc({
      'lighttpd.conf': `server.modules += ( "mod_compress", "mod_proxy", "mod_wstunnel" )
        server.port = 80
        compress.cache-dir = "/var/cache/lighttpd/compress"
        compress.filetype = ( "text/plain" )
        url.rewrite-if-not-file = ( "^/(.*)$" => "/index.html" )
        $HTTP["url"] =~ "^/websocket" { ${backend(port)} wstunnel.frame-type = "text" }
        $HTTP["url"] =~ "^(/printer|/api|/access|/machine|/server)" {
          proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 7125 ) ) )
        }
        $HTTP["url"] =~ "^/webcam" { proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 8080 ) ) ) }`,
    });
    const lines = await problemsOf(conf);
    expect(lines.map((line) => / (\S+) is not supported/.exec(line)?.[1])).toEqual([
      ...['url.rewrite-if-not-file', 'proxy.server', 'proxy.server'],
      undefined,
    ]);
    const command = await startCommand(['--config', conf, ...ignoring(lines), '--listen', '0']);
    await echoes(await openRaw(command.port, '/websocket'));
  });

  test('a service on a socket with a name, with a proxy and response headers around the tunnel', async () => {
    const { port } = await startEcho();
    const [main, own] = [await closedPort(), await closedPort()];
    const { conf } = await etc({
      'lighttpd.conf': `server.port = ${main}
        server.bind = "127.0.0.1"
        $SERVER["socket"] == "127.0.0.1:${own}" {
          proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 3000 ) ) )
          setenv.add-request-header = ( "X-Real-IP" => "%{remote-addr}e" )
          $HTTP["url"] =~ "^/api/events" { ${backend(port)} wstunnel.frame-type = "text" }
        }`,
    });
    const lines = await problemsOf(conf);
    const { program } = await startCommand(['--config', conf, ...ignoring(lines)]);
    await program.prints(new RegExp(`listening on http://127.0.0.1:${own}/`));
    await echoes(await openRaw(own, '/api/events'));
    const elsewhere = await requestTunnel(main, '/api/events').answer();
    expect(elsewhere.status).toBe(404);
  });
});
