import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { fromLighttpdConf } from '../../src/index.js';
import { match } from '../../src/tunnel/route.js';
import { readOptions } from '../../src/options/read-tunnel.js';
import { onCleanup } from '../support/cleanup.js';
import { besideLighttpd, isLighttpdSince, LIGHTTPD } from '../support/lighttpd-version.js';
import { describeWith, Program } from '../support/programs.js';

const PREAMBLE = 'server.document-root = "/tmp"\nserver.modules = ( "mod_wstunnel", "mod_setenv" )\n';

function write(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lighttpd-conf-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'lighttpd.conf');
  writeFileSync(file, PREAMBLE + text);
  return file;
}

async function lighttpd(flag: string, text: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(LIGHTTPD, [flag, '-f', write(text)], {
      env: { ...process.env, A: 'b' },
    });
    return stdout;
  } catch {
    return undefined;
  }
}

/** No file exists, and a wildcard without matches includes nothing. */
function included(path: string): string {
  if (!path.includes('*')) throw new Error('no such file');
  return '';
}

function taken(text: string): boolean {
  try {
    fromLighttpdConf(PREAMBLE + text, { environment: { A: 'b' }, include: included });
    return true;
  } catch {
    return false;
  }
}

const server = (host: string) => `wstunnel.server = ( "" => ( ( ${host} ) ) )`;

/** Texts that lighttpd and our reader both accept (true) or both refuse (false). */
const ALIKE: [taken: boolean, ...texts: string[]][] = [
  [
    true,
    ...[
      'a = 1 b = 2',
      'a = 1, b = 2',
      'x = ( 1,,2, )',
      'x = ()',
      'x += ( "a" )',
      'x = 1\nx := 2',
      'x = "a\nb"',
    ],
    ...[
      'x = "a\\"b"',
      'x = "\\n\\d"',
      'x = env.A\n',
      'x = 1 + 2 + "a" + 3',
      'x = ( ( 1 ) + ( 2 ) )',
      'x = ( "a" + 1 => 3 )',
    ],
    ...[
      'y = 1\nx = y\n',
      'server.port = 80\nserver.port += 1',
      'server.port = "81"',
      '# only this',
      '\r\n\r\n',
      'x = 1 # c',
    ],
    ...[
      'global { a = 1 }',
      'include "/nothing/*.conf"',
      'x = var.CWD + var.PID\n',
      'x\u00a0=\u00a01',
      'x = 1\ry = 2\r\nz = 3',
    ],
    ...[
      '$HTTP["url"] == "/" { }',
      '$HTTP["url"] =^ "/" { }',
      '$HTTP["url"] =$ "/" { }',
      '$HTTP["url"] != "/"\n{\n}',
    ],
    ...[
      '$HTTP["url"] == "/" { } else { }',
      '$HTTP["url"] == "/" { }\n\n# c\nelse\n{ }',
      '$HTTP [ "url" ] == "/" + "a" { }',
    ],
    ...['$HTTP["url"] == "/" { } else $HTTP["url"] == "/a" { } else { }', '$HTTP["url"] == "/" { } b = 1'],
    ...['$HTTP["url"] == "/" { }\n$HTTP["url"] == "/" { }', '$HTTP["url"] == "/" { global { x = 1 } }'],
    ...[
      '$HTTP["remoteip"] == "10.0.0.0/8" { }',
      '$HTTP["remoteip"] == "[::1]" { }',
      '$HTTP["remoteip"] == "::1/64" { }',
    ],
    ...[
      '$HTTP["host"] == "A.b:80" { }',
      '$REQUEST_HEADER["x"] == "y" { }',
      '$HTTP["querystring"] =~ "a" { }',
    ],
    ...['$SERVER["socket"] == "127.0.0.1:81" { }', '$HTTP["url"] =~ "(?i)^/a[[:alpha:]]{2,3}$" { }'],
    ...[
      server('"host" => "127.0.0.1"'),
      server('"host" => "127.0.0.1", "port" => "1"'),
      server('"host" => "/a", "port" => 1'),
    ],
    ...[
      server('"socket" => "/a", "port" => 0'),
      server('"host" => "127.0.0.1", "mode" => "responder", "upgrade" => "disable"'),
    ],
    ...[
      server('"HOST" => "127.0.0.1", "connect-timeout" => "5"'),
      'wstunnel.balance = ""',
      'wstunnel.frame-type = "BINARY"',
    ],
    ...[
      'wstunnel.origins = ()',
      'wstunnel.server = ()',
      'wstunnel.origins = ( "a", )',
      'wstunnel.ping-interval = "30"',
      'wstunnel.debug = 4',
    ],
    ...[
      'wstunnel.map-extensions = ( ".a" => "/b" )',
      'server.stream-request-body = 0',
      'server.max-read-idle = 5',
    ],
  ],
  [
    false,
    ...[
      'x = 1\nx = 2',
      'x = 1\nX = 2',
      'server.port = 1\nserver.Port = 2',
      'x = ( "a" => 1, "A" => 2 )',
      'x = y\n',
    ],
    ...[
      'x = ( "a" => 1 )\nx += ( "a" => 2 )',
      'x = "a',
      'x = "a\\\\"',
      'x = -5\n',
      'x = env.NOT_THERE\n',
      'env.A = "x"',
    ],
    ...[
      'x = 1 + ( 2 )',
      'x = ( "a" = "b" )',
      'x = 1 )',
      'x : 1',
      'x = 1;',
      'x = é',
      'server.port = "80x"',
      'x = y',
    ],
    ...[
      'global { $HTTP["url"] == "/" { } }',
      'include "/nothing/at/all"',
      '$HTTP["url"] == 5 { }',
      '$HTTP["nope"] == "a" { }',
    ],
    ...[
      '$HTTP["url"] = "/" { }',
      '$HTTP["url"] == "/" { } else $HTTP["url"] == "/" { }',
      '$HTTP["url"] =~ "(" { }',
    ],
    ...['$HTTP["url"] == "/" { } else { } else { }', '$HTTP["url"] == ( "/" ) { }'],
    ...['$HTTP["url"] == "/" { x = 1 }\ny = x\n', '$HTTP["url"] =~ "[z-a]" { }', '$HTTP["url"] =~ "*" { }'],
    ...[
      'wstunnel.server = ( "" => ( "host" => "127.0.0.1" ) )',
      'wstunnel.server = "a"',
      server('"port" => 1'),
      server('"host" => "127.0.0.1", 5'),
    ],
    ...[server('"host" => "127.0.0.1", "socket" => "/b"'), server('"host" => "127.0.0.1", "port" => "x"')],
    ...[server('"host" => "127.0.0.1", "mode" => "authorizer"')],
    ...[server(`"socket" => "/${'x'.repeat(110)}"`), 'wstunnel.origins = ( "" )', 'wstunnel.origins = "a"'],
    ...[
      'wstunnel.map-extensions = ( ".a" )',
      'wstunnel.balance = 5',
      'wstunnel.ping-interval = "x"',
      'wstunnel.debug = ()',
    ],
  ],
];

/** Texts that lighttpd accepts in part or with a line in the log; our reader reports an error. */
const STRICTER = [
  ...['x = ( , 1 )', 'else { }', 'nope.nope = 1', 'wstunnel.bogus = 1', 'wstunnel.balance = "x"'],
  ...['wstunnel.frame-type = "txt"', server('"host" => "127.0.0.1", "bogus" => 1'), 'x = 99999999999'],
  ...['$HTTP["request-method"] == "GET" { }', '$HTTP["url"] =~ "(a+)+$" { }', '$HTTP["url"] =~ "a++" { }'],
];

/** Texts that older versions accept, and the first tested lighttpd that refuses the text as well. */
const STRICTER_BEFORE: [text: string, version: string][] = [
  [server('"host" => "127.0.0.1", "port" => 70000'), '1.4.73'],
  [server('"host" => "127.0.0.1", "upgrade" => "maybe"'), '1.4.73'],
  ['x = "a" "b"', '1.4.74'],
  ['x = ( "a" "b" )', '1.4.74'],
];

describeWith('lighttpd')(besideLighttpd('the parser'), () => {
  test('accepts and refuses the same files', async () => {
    for (const [expected, ...texts] of ALIKE)
      for (const text of texts) {
        expect.soft((await lighttpd('-tt', text)) !== undefined, `lighttpd: ${text}`).toBe(expected);
        expect.soft(taken(text), `here: ${text}`).toBe(expected);
      }
  }, 60_000);

  test('accepts some files that are an error in our reader', async () => {
    for (const text of STRICTER) {
      expect.soft((await lighttpd('-tt', text)) !== undefined, `lighttpd: ${text}`).toBe(true);
      expect.soft(taken(text), `here: ${text}`).toBe(false);
    }
    for (const [text, version] of STRICTER_BEFORE) {
      const isPassed = (await lighttpd('-tt', text)) !== undefined;
      expect.soft(isPassed, `lighttpd: ${text}`).toBe(!isLighttpdSince(version));
      expect.soft(taken(text), `here: ${text}`).toBe(false);
    }
  });

  test('computes the same values', async () => {
    const texts = [
      ...[
        '"a" + "b"',
        '1 + 2 + "a"',
        '"a" + 1 + 2',
        'env.A + "\\"c\\\\d"',
        '"" + 007',
        '"a" + ( 1 + "" )',
        '"#\\t"',
      ],
    ];
    for (const expression of texts.filter((one) => !one.includes('( 1'))) {
      const text = `p = ${expression}\nindex-file.names = ( "" + p )`;
      const printed = /index-file\.names += \((.*)\)/.exec((await lighttpd('-p', text)) ?? '')?.[1];
      const { indexFiles } = fromLighttpdConf(PREAMBLE + text, { environment: { A: 'b' } });
      expect(`"${indexFiles?.[0]?.replaceAll('"', '\\"') ?? ''}"`).toBe(printed);
    }
  });
});

/** `@x` sets a value: a map entry in our tunnel, a response header in lighttpd. */
const asOurs = (text: string) => text.replace(/@(\w+)/g, 'wstunnel.map-extensions = ( ".v" => "$1" )');
const asTheirs = (text: string) => text.replace(/@(\w+)/g, 'setenv.set-response-header = ( "X-V" => "$1" )');

interface Visit {
  path: string;
  headers?: Record<string, string>;
}

const VISITS: Visit[] = [
  { path: '/' },
  { path: '/a' },
  { path: '/a/b.vnc?token=5e' },
  { path: '/b?x=1', headers: { host: 'a.example:8080' } },
  { path: '/a', headers: { host: 'www.A.example' } },
  { path: '/ab', headers: { 'user-agent': 'Mozilla Firefox', cookie: 'a=1' } },
  { path: '/c', headers: { host: 'a.example:81', 'x-user': 'root' } },
];

const CONDITIONS = [
  '@base',
  '$HTTP["url"] == "/a" { @one } else $HTTP["url"] =^ "/a" { @two } else { @three }',
  '$HTTP["url"] =^ "/a" { @one }\n$HTTP["url"] =$ ".vnc" { @two }\n$HTTP["url"] != "/a" { @three }',
  '$HTTP["url"] =$ ".vnc" { @two }\n$HTTP["url"] =^ "/a" { @one }',
  '@base\n$HTTP["host"] == "a.example" { @one }\n$HTTP["host"] == "a.example:81" { @two }',
  '$HTTP["host"] != "a.example" { @one } else { @two }',
  '$HTTP["host"] =~ "(^|\\.)a\\.example$" { @one }\n$HTTP["host"] =^ "www." { @two }',
  '$HTTP["querystring"] =~ "(^|&)token=[0-9a-f]+(&|$)" { @one }\n$HTTP["querystring"] == "" { @two }',
  '$HTTP["useragent"] =~ "(?i)FIREFOX" { @one }\n$HTTP["cookie"] != "" { $HTTP["url"] == "/ab" { @two } }',
  '$REQUEST_HEADER["X-User"] == "root" { @one } else $REQUEST_HEADER["x-user"] == "" { @two }',
  '$HTTP["remoteip"] == "127.0.0.0/8" { @one } else { @two }\n$HTTP["remoteip"] != "10.0.0.0/8" { $HTTP["url"] == "/" { @three } }',
  '$HTTP["scheme"] == "http" { @one } else { @two }',
  '$HTTP["url"] =^ "/" { }\n$HTTP["url"] =^ "/a" { @two }\n$HTTP["url"] =^ "/" { @one }',
  '$HTTP["url"] == "/" { } else { @one }\n$HTTP["url"] == "/a" { @two }\n$HTTP["url"] !~ "^/b" { } else { @three }',
  '$HTTP["url"] =~ "^/a" { @one $HTTP["url"] =~ "b" { @two $HTTP["url"] =~ "vnc" { @three } else { @four } } } else { @five }',
];

describeWith('lighttpd')(besideLighttpd('conditions'), () => {
  test.each(CONDITIONS)('%s', async (text) => {
    const port = await freePort();
    const program = new Program(LIGHTTPD, [
      '-D',
      '-f',
      write(`server.port = ${port}\nserver.bind = "127.0.0.1"\n${asTheirs(text)}`),
    ]);
    await program.prints(/server started/);
    const { options } = fromLighttpdConf(
      `wstunnel.server = ( "" => ( ( "host" => "127.0.0.1" ) ) )\n${asOurs(text)}`,
    );
    const settings = readOptions(options);
    for (const visit of VISITS) {
      const { path, headers = { host: 'h' } } = visit;
      const all = { host: 'h', ...headers };
      const req = {
        url: path,
        headers: all,
        socket: { remoteAddress: '127.0.0.1' },
      } as unknown as IncomingMessage;
      const ours = match(settings, req, path.split('?', 1)[0]!)?.settings.mapExtensions?.['.v'];
      expect(ours, JSON.stringify(visit)).toBe(await headerOf(port, path, all));
    }
  });
});

async function headerOf(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.headers['x-v'] as string | undefined);
    }).on('error', reject);
  });
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return port;
}
