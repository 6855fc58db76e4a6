import { CommandError } from '../../../src/command/exit.js';
import { readJsonConfig } from '../../../src/command/listen/settings/config-json.js';
import { TunnelError } from '../../../src/errors.js';
import { fromLighttpdConf } from '../../../src/lighttpd/from-conf.js';
import { wstunnel } from '../../../src/wstunnel.js';
import { LIGHTTPD_SAMPLE } from '../../support/lighttpd-sample.js';
import { allow, type Target } from './target.js';
import { textOf } from './texts.js';

const CONF = [
  LIGHTTPD_SAMPLE,
  `$SERVER["socket"] == ":443" { ssl.engine = "enable" }
$HTTP["querystring"] !~ "a=(b|c)+" { wstunnel.server = ( "/x" => ( ( "port" => 1, "bin-path" => "/bin/x" ) ) ) }
server.http-parseopts = ( "url-path-2f-decode" => "enable" )
include "a.conf"`,
  'wstunnel.server = ( "" => ( ( "host" => "::1", "port" => 5900 ) ) )\nserver.max-read-idle = 9',
];
const CONF_PIECES = [
  ...new Set(CONF.join('\n').match(/"[^"]*"|[\w.-]+|[=+!~^$:>]+|[^\s]|\n/g) ?? []),
  ...[
    'include',
    'include_shell "x"',
    'global',
    'env.A',
    '\\',
    '(?',
    '"',
    '=>',
    '{',
    '}',
    '(',
    ')',
    '+=',
    ':=',
    '#',
    '(?=',
    '[[:',
    '\\d',
    '{1,3}',
  ],
];

const JSON_TEXTS = [
  `{ "listen": ["127.0.0.1:0", "unix:/run/x"], "name": "desk.example", "trustProxy": "10.0.0.0/8", "url": "^/vnc/\\\\d+$",
  "server": { "/vnc": [{ "host": "a", "port": 5900, "tls": { "rejectUnauthorized": false } }], "": "unix:vnc.sock" },
  "limits": { "perClient": 4, "opening": { "total": 3 } }, "rules": [{ "url": "/a", "when": { "host": "b", "headers": { "x": "y" } } }] }`,
  `{ "server": { "spawn": { "path": "Xvnc", "args": [":7", "{socket}"], "maxProcs": 1, "maxLoadPerProc": 0 } }, // comment
  "auth": ["desk.htpasswd", "bob:/x"], "revalidate": { "every": 5 }, "vnc": { "viewOnly": true }, "origins": ["*.a.b"], }`,
  `{ "server": "127.0.0.1:5900", "tokens": "file:/x", "tokenTargets": ["*:5900"], "shared": { "redis": "redis://x", "ttl": 9 }, "record": { "folder": "/x" }, "workers": 2 }`,
];
const JSON_PIECES = [
  ...new Set(JSON_TEXTS.join('\n').match(/"[^"]*"|\d+|[^\s]/g) ?? []),
  ...[
    'null',
    'true',
    'false',
    '-1',
    '1e999',
    '"__proto__"',
    '"constructor"',
    '[',
    ']',
    '{',
    '}',
    ':',
    ',',
    '"^("',
    '"\\ud800"',
    '/*',
    '//',
    '[[[[',
    '{"a":',
    '0.5',
  ],
];

export const configurations: Target[] = [
  {
    name: 'lighttpd.conf: options, or errors with a position',
    share: 6,
    check(random, note) {
      const text = textOf(random, CONF, CONF_PIECES, ' ');
      note(text);
      try {
        wstunnel(fromLighttpdConf(text, { include: () => text.slice(0, 40), environment: {} }).options);
      } catch (error) {
        allow(error, TunnelError);
        if (!/^[^\n]*:\d+:\d+: /.test((error as Error).message)) throw error;
      }
    },
  },
  {
    name: 'JSON configuration: settings, or errors with a position',
    share: 12,
    check(random, note) {
      const text = textOf(random, JSON_TEXTS, JSON_PIECES, ' ');
      note(text);
      try {
        readJsonConfig(text, '/nowhere/c.json');
      } catch (error) {
        allow(error, CommandError);
        if (!/^\/nowhere\/c\.json/.test((error as Error).message)) throw error;
      }
      if (({} as Record<string, unknown>).polluted !== undefined) throw new Error('the prototype is changed');
    },
  },
];
