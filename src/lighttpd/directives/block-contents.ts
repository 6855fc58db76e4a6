import { PARSE_OPTIONS } from '../conditions/url-notation.js';
import { everyBlock, type Block } from '../evaluate/blocks.js';
import { isVariable, type ConfReader } from './directive-names.js';
import { tunnelDirective } from './tunnel-directives.js';

/** The directives that apply to the whole server. */
export const SERVER_DIRECTIVES: readonly string[] = [
  ...['server.port', 'server.bind', 'server.document-root', 'index-file.names', 'server.indexfiles'],
  ...['server.max-connections', 'server.use-ipv6', 'wstunnel.debug', PARSE_OPTIONS],
];

/** Which directives a block contains. */
interface BlockContents {
  /** Directives of tunnels, or of the server around them. */
  readonly ours: boolean;
  /** Directives of other modules. */
  readonly foreign: boolean;
  readonly tls: boolean;
}

export function contentsOf(block: Block, reader: ConfReader): BlockContents {
  const names = everyBlock(block)
    .flatMap(({ settings }) => [...settings.keys()])
    .filter((name) => !isVariable(name));
  return {
    ours: names.some((name) => isOurs(name, reader)),
    foreign: names.some((name) => !isOurs(name, reader)),
    tls: names.some((name) => name.startsWith('ssl.')),
  };
}

function isOurs(name: string, reader: ConfReader): boolean {
  return tunnelDirective(name, reader) !== undefined || SERVER_DIRECTIVES.includes(name);
}
