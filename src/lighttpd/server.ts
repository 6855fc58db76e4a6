import { isIP } from 'node:net';
import { faultOfListenPath, isAbstractSocket } from '../helpers/socket-path.js';
import type { Block } from './blocks.js';
import { contentsOf } from './directives.js';
import { readNumber, readSwitch, readText, readTexts } from './readers.js';
import { failAt, type Place } from './source.js';
import type { Value } from './values.js';

/** For `server.listen()`: an address and port, or the path of a unix socket. */
export interface ListenAddress {
  /** Without `server.port` lighttpd's 80, under `ssl.engine` 443. */
  port?: number;
  /** IPv6 without brackets. Left out, every address. */
  bind?: string;
  /** Path of a unix socket; then there are no others. */
  socket?: string;
}

export interface ServerSettings extends ListenAddress {
  documentRoot?: string;
  indexFiles?: string[];
  maxConnections?: number;
  sockets?: ListenAddress[];
}

/** What the configuration says about the server itself. */
export function readServerSettings(root: Block): ServerSettings {
  const value = (name: string) => root.settings.get(name)?.value;
  const read = <Result>(name: string, reader: (value: Value, name: string) => Result) => {
    const given = value(name);
    return given && reader(given, name);
  };
  // lighttpd's defaults; without one `listen` would take any port that is free.
  const isTls = read('ssl.engine', readSwitch) === true;
  const port = read('server.port', (given, name) => readNumber(given, name, 65535)) ?? (isTls ? 443 : 80);
  const bind = read('server.bind', readBind) ?? {};
  const documentRoot = read('server.document-root', readText);
  const files = value('index-file.names') ? 'index-file.names' : 'server.indexfiles';
  const indexFiles = read(files, readTexts)?.map(({ text }) => text);
  const maxConnections = read('server.max-connections', readNumber);
  const sockets = socketsOf(root, port);
  const isIpv6 = read('server.use-ipv6', readSwitch) === true && Object.keys(bind).length === 0;
  return {
    ...(bind.socket === undefined ? { port } : {}),
    ...(isIpv6 ? { bind: '::' } : bind),
    ...(documentRoot === undefined || documentRoot === '' ? {} : { documentRoot }),
    ...(indexFiles ? { indexFiles } : {}),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(sockets.length > 0 ? { sockets } : {}),
  };
}

function readBind(value: Value, name: string): ListenAddress {
  const text = readText(value, name);
  if (text === '' || text === '*') return {};
  if (text.startsWith('/')) return { socket: text };
  checkNotAbstract(text, value, name);
  const bind = text.replace(/^\[(.*)\]$/, '$1');
  if (bind.includes(':') && isIP(bind) !== 6)
    failAt(value, `${name} is an address alone; the port goes into server.port`);
  return { bind };
}

/** Further sockets to listen on: `$SERVER["socket"] == "[::]:80" { }`. One with contents of other modules (TLS) is not plain. */
function socketsOf(root: Block, port: number): ListenAddress[] {
  return root.children.flatMap((block) => {
    const { condition } = block;
    if (condition?.object !== 'SERVER' || contentsOf(block).foreign) return [];
    if (condition.operator !== '==' || block.next)
      return failAt(block, '$SERVER["socket"] can only be compared by ==, without else');
    return [readSocket(condition.text, port, block)];
  });
}

function readSocket(text: string, port: number, place: Place): ListenAddress {
  if (text.startsWith('/')) return { socket: text };
  checkNotAbstract(text, place, '$SERVER["socket"]');
  const [, address = '', digits] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const own = digits === undefined ? port : Number(digits);
  const bind = address.replace(/^\[(.*)\]$/, '$1');
  const isIpv6 = address.startsWith('[');
  if (own > 65535 || text === '' || (isIpv6 && bind !== '' && isIP(bind) !== 6))
    return failAt(
      place,
      '$SERVER["socket"] is an address with a port such as "[::]:80", or the path of a unix socket',
    );
  const anywhere = isIpv6 ? '::' : undefined;
  const named = bind === '' || bind === '*' ? anywhere : bind;
  return { port: own, ...(named === undefined ? {} : { bind: named }) };
}

/** No host is called so; `bind` would say that the name is not known. */
function checkNotAbstract(text: string, place: Place, name: string): void {
  if (isAbstractSocket(text)) failAt(place, `${name}: ${faultOfListenPath(text) ?? ''}`);
}
