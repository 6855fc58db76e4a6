import type { Rule } from '../../../src/index.js';
import { BINARY, named, toAll, type Case, type Headers, type Places, type Side } from '../run.js';

const two = { a: named, b: named };
const three = { a: named, b: named, c: named };

/** The backend of each path. */
async function whoFor(side: Side, ...paths: string[]): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const path of paths) all[path] = await side.who(path);
  return all;
}

async function whoWith(
  side: Side,
  requests: Record<string, [path: string, headers?: Headers, from?: string]>,
) {
  const all: Record<string, unknown> = {};
  for (const [name, [path, headers, from]] of Object.entries(requests))
    all[name] = await side.who(path, headers, from);
  return all;
}

/** Requests lead to `b` if lighttpd's condition, or our rule, matches, and otherwise to `a`. */
function unless(condition: string, rule: Omit<Rule, 'server'>): Pick<Case, 'backends' | 'conf' | 'options'> {
  return {
    backends: two,
    conf: ({ a, b }) => `${toAll(a!.conf())}\n${BINARY}\n${condition} { ${toAll(b!.conf())} }`,
    options: ({ a, b }) => ({ server: a!.host, rules: [{ ...rule, server: b!.host }] }),
  };
}

const map = (at: Places, entries: Record<string, string>) =>
  `wstunnel.server = (${Object.entries(entries)
    .map(([key, name]) => `"${key}" => (${at[name]!.conf()})`)
    .join(', ')})`;
const ourMap = (at: Places, entries: Record<string, string>) =>
  Object.fromEntries(Object.entries(entries).map(([key, name]) => [key, at[name]!.host]));

/** The same map for both sides. */
function mapped(entries: Record<string, string>): Pick<Case, 'conf' | 'options'> {
  return {
    conf: (at) => map(at, entries),
    options: (at) => ({ server: ourMap(at, entries) }),
  };
}

const extensions: Pick<Case, 'backends' | 'conf' | 'options'> = {
  backends: three,
  conf: (at) =>
    `${map(at, { '/a': 'a', '.vnc': 'b', '': 'c' })}
     wstunnel.map-extensions = (".rfb" => ".vnc", ".desktop" => ".vnc", ".odd" => ".missing", ".any" => "")`,
  options: (at) => ({
    server: ourMap(at, { '/a': 'a', '.vnc': 'b', '': 'c' }),
    mapExtensions: { '.rfb': '.vnc', '.desktop': '.vnc', '.odd': '.missing', '.any': '' },
  }),
};

export const ROUTING: Case[] = [
  {
    name: 'keys: a prefix',
    backends: { a: named },
    ...mapped({ '/vnc': 'a' }),
    observe: (side) => whoFor(side, '/vnc', '/vnc/', '/vnc/1', '/vn', '/x/vnc', '/VNC', '/vnc?x=1'),
  },
  {
    name: 'keys: a prefix that ends inside a segment',
    backends: { a: named },
    ...mapped({ '/vnc': 'a' }),
    observe: (side) => whoFor(side, '/vncs', '/vnc;x', '/vnc.x'),
    differs: {
      subject: 'keys that begin with a slash',
      lighttpd: { '/vncs': 'a', '/vnc;x': 'a', '/vnc.x': 'a' },
      ours: { '/vncs': 404, '/vnc;x': 404, '/vnc.x': 404 },
    },
  },
  {
    name: 'keys: a prefix that ends with a slash',
    backends: { a: named },
    ...mapped({ '/vnc/': 'a' }),
    observe: (side) => whoFor(side, '/vnc', '/vnc/', '/vnc/1', '/vncs/'),
  },
  {
    name: 'keys: a suffix',
    backends: { a: named },
    ...mapped({ '.vnc': 'a' }),
    observe: (side) =>
      whoFor(side, '/1.vnc', '/.vnc', '/x/y.vnc', '/1.vnc2', '/1.vnc/x', '/1.VNC', '/x?y=.vnc', '/1.vnc?x'),
  },
  {
    name: 'keys: "" is every path',
    backends: { a: named },
    ...mapped({ '': 'a' }),
    observe: (side) => whoFor(side, '/', '/x', '/x/y.vnc'),
  },
  {
    name: 'keys: the first that fits counts, not the longest',
    backends: three,
    ...mapped({ '/vnc': 'a', '/vnc/special': 'b', '.x': 'c' }),
    observe: (side) => whoFor(side, '/vnc/special', '/vnc/1.x', '/1.x', '/other'),
  },
  {
    name: 'keys: a suffix before a prefix, "" at the end',
    backends: three,
    ...mapped({ '.x': 'a', '/vnc': 'b', '': 'c' }),
    observe: (side) => whoFor(side, '/vnc/1.x', '/vnc/1', '/1'),
  },
  {
    name: 'keys: "" at the beginning hides the others',
    backends: two,
    ...mapped({ '': 'a', '/vnc': 'b' }),
    observe: (side) => whoFor(side, '/vnc', '/x'),
  },
  {
    name: 'keys that are whole numbers',
    backends: two,
    conf: ({ a, b }) => `wstunnel.server = ("19" => (${a!.conf()}), "9" => (${b!.conf()}))`,
    options: ({ a, b }) => ({ server: { '19': a!.host, '9': b!.host } }),
    observe: (side) => whoFor(side, '/19', '/29'),
    differs: {
      subject: 'keys that are whole numbers',
      lighttpd: { '/19': 'a', '/29': 'b' },
      ours: { '/19': 'b', '/29': 'b' },
    },
  },
  {
    name: 'map-extensions: several endings to one key',
    ...extensions,
    observe: (side) => whoFor(side, '/x.rfb', '/x.desktop', '/x.vnc', '/x'),
  },
  {
    name: 'map-extensions: come before the keys; an unknown key changes nothing',
    ...extensions,
    observe: (side) => whoFor(side, '/a/x.rfb', '/a/x', '/x.odd', '/a/x.odd', '/a/x.any'),
  },
  {
    name: 'url =~',
    ...unless('$HTTP["url"] =~ "^/websockify"', { when: { url: /^\/websockify/ } }),
    observe: (side) => whoFor(side, '/websockify', '/websockify2?x', '/x/websockify', '/x?/websockify'),
  },
  {
    name: 'url !~',
    ...unless('$HTTP["url"] !~ "^/in/"', { when: { url: { notMatches: /^\/in\// } } }),
    observe: (side) => whoFor(side, '/in/x', '/in', '/out'),
  },
  {
    name: 'url ==',
    ...unless('$HTTP["url"] == "/desk"', { when: { url: '/desk' } }),
    observe: (side) => whoFor(side, '/desk', '/desk/', '/desk?x=1', '/Desk'),
  },
  {
    name: 'url !=',
    ...unless('$HTTP["url"] != "/desk"', { when: { url: { notEquals: '/desk' } } }),
    observe: (side) => whoFor(side, '/desk', '/desk/', '/'),
  },
  {
    name: 'url =^',
    ...unless('$HTTP["url"] =^ "/desk"', { when: { url: { startsWith: '/desk' } } }),
    observe: (side) => whoFor(side, '/desk', '/desks', '/x/desk'),
  },
  {
    name: 'url =$',
    ...unless('$HTTP["url"] =$ ".vnc"', { when: { url: { endsWith: '.vnc' } } }),
    observe: (side) => whoFor(side, '/x.vnc', '/x.vnc/', '/x.vnc?y', '/.vnc'),
  },
  {
    name: 'url: a path that is written in another way',
    ...unless('$HTTP["url"] =^ "/desk"', { when: { url: { startsWith: '/desk' } } }),
    observe: (side) => whoFor(side, '/%64esk', '//desk', '/x/../desk'),
    differs: {
      subject: 'URLs written in another way',
      lighttpd: { '/%64esk': 'b', '//desk': 'b', '/x/../desk': 'b' },
      ours: { '/%64esk': 'a', '//desk': 'a', '/x/../desk': 'a' },
    },
  },
  {
    name: 'querystring: written in another way',
    ...unless('$HTTP["querystring"] == "x=%41"', { when: { query: 'x=%41' } }),
    observe: (side) => whoFor(side, '/?x=%41', '/?x=A'),
    differs: {
      subject: 'URLs written in another way',
      lighttpd: { '/?x=%41': 'a', '/?x=A': 'a' },
      ours: { '/?x=%41': 'b', '/?x=A': 'a' },
    },
  },
  {
    name: 'host ==, with and without a port',
    ...unless('$HTTP["host"] == "desk.test"', { when: { host: 'desk.test' } }),
    observe: (side) =>
      whoWith(side, {
        same: ['/', { Host: 'desk.test' }],
        capitals: ['/', { Host: 'DESK.test' }],
        port: ['/', { Host: 'desk.test:8080' }],
        other: ['/', { Host: 'xdesk.test' }],
        longer: ['/', { Host: 'desk.test.evil' }],
      }),
  },
  {
    name: 'host == with a port',
    ...unless('$HTTP["host"] == "desk.test:8080"', { when: { host: 'desk.test:8080' } }),
    observe: (side) =>
      whoWith(side, {
        same: ['/', { Host: 'desk.test:8080' }],
        none: ['/', { Host: 'desk.test' }],
        other: ['/', { Host: 'desk.test:8081' }],
      }),
  },
  {
    name: 'host !=, =~, =^ and =$',
    backends: two,
    conf: ({ a, b }) => `${toAll(a!.conf())}
      $HTTP["url"] == "/ne" { $HTTP["host"] != "desk.test" { ${toAll(b!.conf())} } }
      $HTTP["url"] == "/re" { $HTTP["host"] =~ "^desk\\.test(:|$)" { ${toAll(b!.conf())} } }
      $HTTP["url"] == "/pre" { $HTTP["host"] =^ "desk." { ${toAll(b!.conf())} } }
      $HTTP["url"] == "/suf" { $HTTP["host"] =$ ".test" { ${toAll(b!.conf())} } }`,
    options: ({ a, b }) => ({
      server: a!.host,
      rules: [
        { url: '/ne', rules: [{ when: { host: { notEquals: 'desk.test' } }, server: b!.host }] },
        { url: '/re', rules: [{ when: { host: /^desk\.test(:|$)/ }, server: b!.host }] },
        { url: '/pre', rules: [{ when: { host: { startsWith: 'desk.' } }, server: b!.host }] },
        { url: '/suf', rules: [{ when: { host: { endsWith: '.test' } }, server: b!.host }] },
      ],
    }),
    observe: async (side) => {
      const all: Record<string, unknown> = {};
      for (const path of ['/ne', '/re', '/pre', '/suf'])
        for (const Host of ['desk.test', 'DESK.TEST', 'desk.test:81', 'other.example', 'x.desk.test'])
          all[`${path} ${Host}`] = await side.who(path, { Host });
      return all;
    },
  },
  {
    name: 'remoteip ==, an address',
    ...unless('$HTTP["remoteip"] == "127.0.0.5"', { when: { remoteAddress: '127.0.0.5' } }),
    observe: (side) => whoWith(side, { in: ['/', {}, '127.0.0.5'], out: ['/', {}, '127.0.0.6'] }),
  },
  {
    name: 'remoteip == and !=, CIDR',
    backends: three,
    conf: ({ a, b, c }) => `${toAll(a!.conf())}
      $HTTP["remoteip"] == "127.0.0.64/30" { ${toAll(b!.conf())} }
      $HTTP["remoteip"] != "127.0.0.0/24" { ${toAll(c!.conf())} }`,
    options: ({ a, b, c }) => ({
      server: a!.host,
      rules: [
        { when: { remoteAddress: '127.0.0.64/30' }, server: b!.host },
        { when: { remoteAddress: { notEquals: '127.0.0.0/24' } }, server: c!.host },
      ],
    }),
    observe: (side) =>
      whoWith(side, {
        before: ['/', {}, '127.0.0.63'],
        first: ['/', {}, '127.0.0.64'],
        last: ['/', {}, '127.0.0.67'],
        behind: ['/', {}, '127.0.0.68'],
        outside: ['/', {}, '127.0.1.64'],
      }),
  },
  {
    name: 'querystring',
    backends: three,
    conf: ({ a, b, c }) => `${toAll(a!.conf())}
      $HTTP["querystring"] == "desk=1" { ${toAll(b!.conf())} }
      $HTTP["querystring"] =~ "(^|&)token=1" { ${toAll(c!.conf())} }`,
    options: ({ a, b, c }) => ({
      server: a!.host,
      rules: [
        { when: { query: 'desk=1' }, server: b!.host },
        { when: { query: /(^|&)token=1/ }, server: c!.host },
      ],
    }),
    observe: (side) =>
      whoFor(side, '/', '/?', '/?desk=1', '/?desk=1&x', '/?x&token=1', '/desk=1', '/?x?desk=1'),
  },
  {
    name: 'querystring == "": there is none',
    ...unless('$HTTP["querystring"] == ""', { when: { query: '' } }),
    observe: (side) => whoFor(side, '/', '/?', '/?x'),
  },
  {
    name: 'scheme',
    backends: three,
    conf: ({ a, b, c }) => `${toAll(a!.conf())}
      $HTTP["scheme"] == "http" { ${toAll(b!.conf())} }
      $HTTP["scheme"] == "https" { ${toAll(c!.conf())} }`,
    options: ({ a, b, c }) => ({
      server: a!.host,
      rules: [
        { when: { scheme: 'http' }, server: b!.host },
        { when: { scheme: 'https' }, server: c!.host },
      ],
    }),
    observe: (side) => whoWith(side, { plain: ['/'], forged: ['/', { 'X-Forwarded-Proto': 'https' }] }),
  },
  {
    name: 'request headers, whatever their letter case; a missing one is empty',
    backends: three,
    conf: ({ a, b, c }) => `${toAll(a!.conf())}
      $REQUEST_HEADER["X-Desk"] == "one" { ${toAll(b!.conf())} }
      $REQUEST_HEADER["User-Agent"] =~ "^noVNC" { ${toAll(c!.conf())} }`,
    options: ({ a, b, c }) => ({
      server: a!.host,
      rules: [
        { when: { headers: { 'X-Desk': 'one' } }, server: b!.host },
        { when: { headers: { 'user-agent': /^noVNC/ } }, server: c!.host },
      ],
    }),
    observe: (side) =>
      whoWith(side, {
        none: ['/'],
        same: ['/', { 'X-Desk': 'one' }],
        lower: ['/', { 'x-desk': 'one' }],
        other: ['/', { 'X-Desk': 'One' }],
        agent: ['/', { 'User-Agent': 'noVNC/1.7' }],
        both: ['/', { 'X-Desk': 'one', 'User-Agent': 'noVNC/1.7' }],
      }),
  },
  {
    name: 'a header that is missing: == "" and !=',
    backends: three,
    conf: ({ a, b, c }) => `${toAll(a!.conf())}
      $HTTP["url"] == "/empty" { $REQUEST_HEADER["X-Desk"] == "" { ${toAll(b!.conf())} } }
      $HTTP["url"] == "/not" { $REQUEST_HEADER["X-Desk"] != "one" { ${toAll(c!.conf())} } }
      $HTTP["url"] == "/re" { $REQUEST_HEADER["X-Desk"] !~ "one" { ${toAll(c!.conf())} } }`,
    options: ({ a, b, c }) => ({
      server: a!.host,
      rules: [
        { when: { url: '/empty', headers: { 'X-Desk': '' } }, server: b!.host },
        { when: { url: '/not', headers: { 'X-Desk': { notEquals: 'one' } } }, server: c!.host },
        { when: { url: '/re', headers: { 'X-Desk': { notMatches: /one/ } } }, server: c!.host },
      ],
    }),
    observe: async (side) => {
      const all: Record<string, unknown> = {};
      for (const path of ['/empty', '/not', '/re'])
        for (const desk of [undefined, 'one', 'two'])
          all[`${path} ${desk}`] = await side.who(path, { 'X-Desk': desk });
      return all;
    },
  },
  {
    name: 'a header that came twice',
    ...unless('$REQUEST_HEADER["X-Desk"] == "one, two"', { when: { headers: { 'X-Desk': 'one, two' } } }),
    observe: (side) => whoWith(side, { twice: ['/', { 'X-Desk': ['one', 'two'] }] }),
  },
  {
    name: 'else',
    backends: three,
    conf: ({ a, b, c }) => `
      $HTTP["url"] =^ "/a" { ${toAll(a!.conf())} }
      else $HTTP["url"] =^ "/b" { ${toAll(b!.conf())} }
      else { ${toAll(c!.conf())} }`,
    options: ({ a, b, c }) => ({
      rules: [
        {
          when: { url: { startsWith: '/a' } },
          server: a!.host,
          else: { when: { url: { startsWith: '/b' } }, server: b!.host, else: { server: c!.host } },
        },
      ],
    }),
    observe: (side) => whoFor(side, '/a', '/b', '/c'),
  },
  {
    name: 'nested conditions',
    backends: three,
    conf: ({ a, b, c }) => `
      $HTTP["url"] =^ "/in" {
        ${toAll(a!.conf())}
        $HTTP["host"] == "one.test" {
          ${toAll(b!.conf())}
          $HTTP["querystring"] == "deep" { ${toAll(c!.conf())} }
        }
      }`,
    options: ({ a, b, c }) => ({
      rules: [
        {
          when: { url: { startsWith: '/in' } },
          server: a!.host,
          rules: [
            {
              when: { host: 'one.test' },
              server: b!.host,
              rules: [{ when: { query: 'deep' }, server: c!.host }],
            },
          ],
        },
      ],
    }),
    observe: (side) =>
      whoWith(side, {
        outer: ['/in', { Host: 'x' }],
        inner: ['/in', { Host: 'one.test' }],
        innermost: ['/in?deep', { Host: 'one.test' }],
        'only the innermost': ['/in?deep', { Host: 'x' }],
        none: ['/out?deep', { Host: 'one.test' }],
      }),
  },
  {
    name: 'later over earlier, directive by directive',
    backends: three,
    conf: ({ a, b, c }) => `
      ${toAll(a!.conf())}
      wstunnel.origins = ("https://example.com")
      $HTTP["url"] =^ "/x" { ${toAll(b!.conf())} }
      $HTTP["url"] =^ "/x/y" { ${toAll(c!.conf())} }
      $HTTP["url"] =$ "z" { wstunnel.origins = ("https://example.org") }`,
    options: ({ a, b, c }) => ({
      server: a!.host,
      origins: ['https://example.com'],
      rules: [
        { when: { url: { startsWith: '/x' } }, server: b!.host },
        { when: { url: { startsWith: '/x/y' } }, server: c!.host },
        { when: { url: { endsWith: 'z' } }, origins: ['https://example.org'] },
      ],
    }),
    observe: async (side) => {
      const all: Record<string, unknown> = {};
      for (const path of ['/', '/x', '/x/y', '/x/y/z'])
        for (const Origin of ['https://example.com', 'https://example.org'])
          all[`${path} ${Origin}`] = await side.who(path, { Origin });
      return all;
    },
  },
  {
    name: 'a directive in a condition alone: frame-type, with the server of outside',
    backends: { a: named },
    conf: ({ a }) => `${toAll(a!.conf())}\n$HTTP["url"] =^ "/bin" { ${BINARY} }`,
    options: ({ a }) => ({
      server: a!.host,
      frameType: 'text',
      rules: [{ when: { url: { startsWith: '/bin' } }, frameType: 'binary' }],
    }),
    observe: async (side) => {
      const opcodes: unknown[] = [];
      for (const path of ['/', '/bin']) opcodes.push((await (await side.open(path)).frame())?.opcode);
      return opcodes;
    },
  },
  {
    name: 'no server where no condition holds',
    backends: { a: named },
    conf: ({ a }) => `$HTTP["url"] =~ "^/vnc" { ${toAll(a!.conf())} }`,
    options: ({ a }) => ({ url: /^\/vnc/, server: a!.host }),
    observe: (side) => whoFor(side, '/vnc', '/other'),
  },
];
