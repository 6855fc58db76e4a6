import { nearest } from '../../options/checks/nearest.js';
import { HOST_OPTIONS } from '../../options/host-options.js';
import { NOTATION, type Notation } from '../../routes/path-notation.js';
import type { Host } from '../../types.js';
import { byteString } from '../syntax/byte-string.js';
import {
  checkKeyOrder,
  readKeyedList,
  readNumberValue,
  readSwitchValue,
  readStringValue,
  readStringList,
} from '../evaluate/value-readers.js';
import { checkAt, failAt } from '../syntax/source.js';
import { readBinPath, BIN_OPTIONS } from './bin-path.js';
import { foldCase, type Value } from '../evaluate/values.js';

const NAME = 'wstunnel.server';
const SHAPE = '( "/path" => ( ( "host" => "127.0.0.1", "port" => 5900 ) ) )';

/** The timeouts of a host: lighttpd's name, and our option. */
const TIMES = {
  'connect-timeout': 'connectTimeout',
  'disable-time': 'disableTime',
  'read-timeout': 'readTimeout',
  'write-timeout': 'writeTimeout',
} as const satisfies Record<string, keyof Host>;

/** Options without effect on a tunnel: lighttpd sets them itself, or uses them for FastCGI alone (src/mod_wstunnel.c, src/gw_backend.c). */
const WITHOUT_MEANING: Readonly<Record<string, (value: Value, name: string) => unknown>> = {
  'tcp-fin-propagate': readSwitchValue,
  upgrade: readSwitchValue,
  'check-local': readSwitchValue,
  'broken-scriptfilename': readSwitchValue,
  'fix-root-scriptname': readSwitchValue,
  'allow-x-send-file': readSwitchValue,
  'x-sendfile': readSwitchValue,
  'x-sendfile-docroot': readStringList,
  docroot: readStringValue,
  'strip-request-uri': readStringValue,
};

const KNOWN = [
  ...['host', 'port', 'socket', 'mode'],
  ...[TIMES, WITHOUT_MEANING, BIN_OPTIONS].flatMap((names) => Object.keys(names)),
];

/** Most bytes of a socket path: `sockaddr_un` has room for 108, including the NUL, and lighttpd reserves two more. */
const MAX_SOCKET = 105;

/** `wstunnel.server`: the hosts of each key (`gw_set_defaults_backend`). An empty list means no tunnel. */
export function readWstunnelServer(value: Value, notation: Notation): Record<string, Host[]> {
  const entries = readKeyedList(value, NAME, SHAPE);
  checkKeyOrder(entries, NAME);
  const map = Object.fromEntries(
    entries.map(({ key, value: hosts }) => {
      if (Object.hasOwn(HOST_OPTIONS, key))
        failAt(hosts, `${NAME}: "${key}" can't be a key: begin it with a slash or a dot`);
      if (hosts.kind !== 'list') return failAt(hosts, `${NAME} must look like ${SHAPE}`);
      if (hosts.entries.length === 0) failAt(hosts, `${NAME}: "${key}" names no host`);
      // lighttpd allows a label for a host, and uses the label for counters only.
      return [byteString(key), hosts.entries.map((host) => readHost(host.value))];
    }),
  );
  return Object.defineProperty(map, NOTATION, { value: notation, enumerable: false });
}

function readHost(value: Value): Host {
  const options = new Map<string, Value>();
  for (const { key, value: option } of readKeyedList(value, NAME, SHAPE)) {
    const name = foldCase(key);
    if (!KNOWN.includes(name)) {
      const near = nearest(name.replaceAll('_', '-'), KNOWN);
      failAt(option, `${NAME} has no "${key}"${near === undefined ? '' : `; did you mean "${near}"?`}`);
    }
    options.set(name, option);
  }
  checkWithoutMeaning(options);
  return { ...readAddress(options, value), ...readTimes(options), ...readBinPath(options) };
}

function readAddress(options: ReadonlyMap<string, Value>, place: Value): Host {
  const text = (name: string) => {
    const option = options.get(name);
    return option && readStringValue(option, name);
  };
  const host = text('host') ?? '';
  const given = options.get('port');
  const port = given && readNumberValue(given, 'port', 65535);
  const socket = text('socket') ?? '';
  if (socket !== '' && (host !== '' || (port ?? 0) !== 0))
    failAt(place, `${NAME}: give either "host" and "port" or "socket", not both`);
  const path = socket || (host.startsWith('/') ? host : '');
  if (path !== '') {
    if (Buffer.byteLength(path) > MAX_SOCKET)
      failAt(place, `${NAME}: this socket path is too long: ${MAX_SOCKET} bytes at most`);
    return { socket: path };
  }
  if (host === '' && !options.has('bin-path')) failAt(place, `${NAME}: a host needs "host" or "socket"`);
  // lighttpd's default port is 80.
  return { host: host || '127.0.0.1', port: port || 80 };
}

function readTimes(options: ReadonlyMap<string, Value>): Host {
  const times: Host = {};
  for (const [name, ours] of Object.entries(TIMES)) {
    const option = options.get(name);
    if (!option) continue;
    const seconds = readNumberValue(option, name);
    checkAt(option, () => HOST_OPTIONS[ours].check(seconds, name));
    times[ours] = seconds;
  }
  return times;
}

function checkWithoutMeaning(options: ReadonlyMap<string, Value>): void {
  for (const [name, read] of Object.entries({ ...WITHOUT_MEANING, ...BIN_OPTIONS })) {
    const option = options.get(name);
    if (option) read(option, name);
  }
  const mode = options.get('mode');
  if (mode && !['', 'responder'].includes(readStringValue(mode, 'mode')))
    failAt(
      mode,
      '"mode" must be "responder": a tunnel can\'t authorize requests, the app\'s own middleware can',
    );
}
