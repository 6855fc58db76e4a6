import { isIP } from 'node:net';
import type { Block } from '../evaluate/blocks.js';
import { contentsOf } from './block-contents.js';
import type { ReadingContext } from './reading-context.js';
import {
  readNumberValue,
  readSwitchValue,
  readStringValue,
  readStringList,
} from '../evaluate/value-readers.js';
import {
  refuseAbstractSocket,
  readSocketCondition,
  type ListenAddress,
} from '../conditions/listen-address.js';
import { failAt, fileAndLine } from '../syntax/source.js';
import type { Value } from '../evaluate/values.js';

interface ServerSettings extends ListenAddress {
  documentRoot?: string;
  indexFiles?: string[];
  maxConnections?: number;
  sockets?: ListenAddress[];
}

/** The settings of the server itself. */
export function readServerSettings(root: Block, context: ReadingContext): ServerSettings {
  const value = (name: string) => root.settings.get(name)?.value;
  const read = <Result>(name: string, reader: (value: Value, name: string) => Result) => {
    const given = value(name);
    return given && context.problems.try(() => reader(given, name));
  };
  // lighttpd's defaults. Without a port, Node's `listen` would choose any free port.
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
  const sockets = socketsOf(root, { port, ...own }, context);
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
    failAt(value, `${name} must be an address without a port: give the port as server.port`);
  return { bind };
}

/**
 * Further sockets to listen on: `$SERVER["socket"] == "[::]:80" { }`. Sockets whose block has only directives of other modules are
 * left out; so are sockets with TLS, since the command serves https on all of its addresses or on none.
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
              ? 'a command serves https on all of its addresses or on none: see --cert and --listen'
              : 'the command does not listen on this socket',
          },
          block,
        );
      return [];
    }
    const address = problems.try(() => {
      if (condition.operator !== '==' || block.next)
        return failAt(block, '$SERVER["socket"] can only be compared with ==, and has no else');
      return readSocketCondition(condition.text, main.port, block);
    });
    return address ? [{ block, ours, address }] : [];
  });
  if (reader === 'command')
    for (const { block, ours, address } of found)
      if (ours) problems.try(() => checkPort(block, address, [main, ...found.map((one) => one.address)]));
  return found.map(({ address }) => address);
}

/** The command identifies a socket by its port: two sockets with the same port can't have different directives. */
function checkPort(block: Block, { port, bind }: ListenAddress, all: readonly ListenAddress[]): void {
  const other = all.find((one) => port !== undefined && one.port === port && one.bind !== bind);
  if (other)
    failAt(block, `another socket has the port ${port ?? ''} too: run a second command for this block`);
}
