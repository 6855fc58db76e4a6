import { isIP } from 'node:net';
import type { Block } from '../evaluate/blocks.js';
import { contentsOf, type ReadingContext } from './read-directives.js';
import {
  readNumberValue,
  readSwitchValue,
  readStringValue,
  readStringList,
} from '../evaluate/value-readers.js';
import { refuseAbstractSocket, readListenAddress, type ListenAddress } from '../conditions/listen-address.js';
import { failAt, fileAndLine } from '../syntax/source.js';
import type { Value } from '../evaluate/values.js';

export type { ListenAddress } from '../conditions/listen-address.js';

export interface ServerSettings extends ListenAddress {
  documentRoot?: string;
  indexFiles?: string[];
  maxConnections?: number;
  sockets?: ListenAddress[];
}

/** What the configuration says about the server itself. */
export function readServerSettings(root: Block, how: ReadingContext): ServerSettings {
  const value = (name: string) => root.settings.get(name)?.value;
  const read = <Result>(name: string, reader: (value: Value, name: string) => Result) => {
    const given = value(name);
    return given && how.problems.try(() => reader(given, name));
  };
  // lighttpd's defaults; without one `listen` would take any port that is free.
  const isTls = read('ssl.engine', readSwitchValue) === true;
  const port =
    read('server.port', (given, name) => readNumberValue(given, name, 65535)) ?? (isTls ? 443 : 80);
  const bind = read('server.bind', readBind) ?? {};
  const documentRoot = read('server.document-root', readStringValue);
  const files = value('index-file.names') ? 'index-file.names' : 'server.indexfiles';
  const indexFiles = read(files, readStringList)?.map(({ text }) => text);
  const maxConnections = read('server.max-connections', readNumberValue);
  const isIpv6 = read('server.use-ipv6', readSwitchValue) === true && Object.keys(bind).length === 0;
  const own: ListenAddress = {
    ...(bind.socket === undefined ? { port } : {}),
    ...(isIpv6 ? { bind: '::' } : bind),
  };
  const sockets = socketsOf(root, { port, ...own }, how);
  return {
    ...own,
    ...(documentRoot === undefined || documentRoot === '' ? {} : { documentRoot }),
    ...(indexFiles ? { indexFiles } : {}),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(sockets.length > 0 ? { sockets } : {}),
  };
}

function readBind(value: Value, name: string): ListenAddress {
  const text = readStringValue(value, name);
  if (text === '' || text === '*') return {};
  if (text.startsWith('/')) return { socket: text };
  refuseAbstractSocket(text, value, name);
  const bind = text.replace(/^\[(.*)\]$/, '$1');
  if (bind.includes(':') && isIP(bind) !== 6)
    failAt(value, `${name} is an address alone; the port goes into server.port`);
  return { bind };
}

/**
 * Further sockets to listen on: `$SERVER["socket"] == "[::]:80" { }`. One with TLS is not plain, and one with contents of other
 * modules alone is theirs.
 */
function socketsOf(
  root: Block,
  main: ListenAddress & { port: number },
  { reader, problems, leaveOut }: ReadingContext,
): ListenAddress[] {
  const found = root.children.flatMap((block) => {
    const { condition } = block;
    if (condition?.object !== 'SERVER') return [];
    const { ours, foreign, tls } = contentsOf(block, reader);
    const isOthers = reader === 'app' ? foreign : tls || (foreign && !ours);
    if (isOthers) {
      if (reader === 'command')
        leaveOut(
          {
            ...{
              name: `$SERVER["socket"] == "${condition.text}"`,
              place: fileAndLine(block),
              isIgnored: false,
            },
            instead: tls
              ? 'https is for all addresses of a command, by --cert and --listen'
              : 'not listened on',
          },
          block,
        );
      return [];
    }
    const address = problems.try(() => {
      if (condition.operator !== '==' || block.next)
        return failAt(block, '$SERVER["socket"] can only be compared by ==, without else');
      return readListenAddress(condition.text, main.port, block);
    });
    return address ? [{ block, ours, address }] : [];
  });
  if (reader === 'command')
    for (const { block, ours, address } of found)
      if (ours) problems.try(() => checkPort(block, address, [main, ...found.map((one) => one.address)]));
  return found.map(({ address }) => address);
}

/** The port tells the command on which socket a request came. */
function checkPort(block: Block, { port, bind }: ListenAddress, all: readonly ListenAddress[]): void {
  const other = all.find((one) => port !== undefined && one.port === port && one.bind !== bind);
  if (other)
    failAt(
      block,
      `another socket has port ${port ?? ''} as well: start a command of its own for what stands in here`,
    );
}
