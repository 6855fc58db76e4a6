import { dirname, resolve } from 'node:path';
import {
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from 'jsonc-parser';
import { TunnelError } from '../../errors.js';
import {
  fail,
  namedOf,
  readBoolean,
  readNames,
  readNumber,
  readText,
  type Check,
} from '../../helpers/readers.js';
import { faultOfListenPath, isAbstractSocket } from '../../helpers/socket-path.js';
import { without } from '../../helpers/without.js';
import { OPTIONS, readOptions } from '../../options/options.js';
import { CONNECTIONS_CEILING } from './descriptors.js';
import { readListenAddress } from '../address.js';
import { CommandError, EXIT } from '../exit.js';
import type { Config } from './config.js';
import { FRAME_RULE, isFrameSource } from './frame.js';
import { isHostName, NAME_RULE } from './names.js';
import { INDEX, readLoginFile, type Tunnelling } from './plan.js';

/** The command's own part of the file; a path is taken from the file's folder. */
interface OwnPart {
  listen?: string | readonly string[];
  web?: string;
  cert?: string;
  key?: string;
  clientCa?: string;
  auth?: string | readonly string[];
  tokens?: string;
  name?: string | readonly string[];
  frame?: string | readonly string[];
  trustProxy?: unknown;
  acceptProxy?: boolean;
  maxConnections?: number;
  log?: string;
  verbose?: boolean;
}

// An option without its check does not compile. (Exported for the test of the README's table.)
export const OWN: Readonly<Record<keyof OwnPart, Check>> = {
  listen: (value, name) => {
    for (const text of readTexts(value, name)) {
      const address = readListenAddress(text);
      if (!address) fail(name, 'is PORT, ADDRESS:PORT, :PORT or unix:PATH, or a list', value);
      const { socket = '' } = address;
      if (isAbstractSocket(socket))
        fail(name, `can't be listened on (${faultOfListenPath(socket) ?? ''})`, text);
    }
  },
  web: readText,
  cert: readText,
  key: readText,
  clientCa: readText,
  auth: readTexts,
  tokens: readText,
  name: (value, name) => checkTexts(value, name, isHostName, NAME_RULE),
  frame: (value, name) => checkTexts(value, name, isFrameSource, FRAME_RULE),
  // Express knows what may stand there.
  trustProxy: () => undefined,
  acceptProxy: readBoolean,
  maxConnections: readNumber(1, CONNECTIONS_CEILING),
  log: readText,
  verbose: readBoolean,
};

const TUNNEL = without(OPTIONS, 'autoAttach');

/** The middleware's options, as far as JSON can say them, and the command's. Comments and final commas are allowed. */
export function readJsonConfig(text: string, file: string): Config {
  const root = parse(text, file);
  checkNamedOnce(root, text, file);
  const value: unknown = getNodeValue(root);
  try {
    readNames(value, 'options', { ...OWN, ...TUNNEL });
    const own = namedOf(value as object, Object.keys(OWN)) as OwnPart;
    const tunnel = namedOf(value as object, Object.keys(TUNNEL)) as Tunnelling;
    readOptions(tunnel);
    return { isLighttpd: false, tunnel, ...ownOf(own, dirname(resolve(file))) };
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    const { message } = error;
    const place = placeOf(text, nodeFor(root, message).offset);
    throw new CommandError(
      EXIT.config,
      `${file}:${place}: ${message.replace(/^wstunnel: (options )?/, '')}`,
      {
        cause: error,
      },
    );
  }
}

function ownOf(own: OwnPart, folder: string): Omit<Config, 'isLighttpd' | 'tunnel'> {
  const file = (path: string) => (path === '-' ? path : resolve(folder, path));
  const { web, trustProxy, acceptProxy, maxConnections, verbose, log } = own;
  return {
    listen: [own.listen ?? []].flat().flatMap((one) => {
      const address = readListenAddress(one);
      return address?.socket === undefined ? (address ?? []) : { socket: file(address.socket) };
    }),
    ...(web !== undefined && { web: { folder: file(web), index: INDEX } }),
    ...(own.cert !== undefined && { cert: file(own.cert) }),
    ...(own.key !== undefined && { key: file(own.key) }),
    ...(own.clientCa !== undefined && { clientCa: file(own.clientCa) }),
    ...(own.auth !== undefined && { auth: [own.auth].flat().map((one) => readLoginFile(one, folder)) }),
    ...(own.tokens !== undefined && { tokens: file(own.tokens) }),
    ...(own.name !== undefined && { names: [own.name].flat() }),
    ...(own.frame !== undefined && { frame: [own.frame].flat() }),
    ...(trustProxy !== undefined && { trustProxy }),
    ...(acceptProxy !== undefined && { acceptProxy }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...(verbose !== undefined && { verbose }),
    ...(log !== undefined && { log: file(log) }),
  };
}

function parse(text: string, file: string): Node {
  const errors: ParseError[] = [];
  const root = treeOf(text, file, errors);
  const [error] = errors;
  if (root && !error) return root;
  // "PropertyNameExpected" as words.
  const what = error
    ? printParseErrorCode(error.error).replace(/\B[A-Z]/g, (one) => ` ${one.toLowerCase()}`)
    : 'Empty';
  throw new CommandError(
    EXIT.config,
    `${file}:${placeOf(text, error?.offset ?? 0)}: no JSON: ${what.toLowerCase()}`,
  );
}

function treeOf(text: string, file: string, errors: ParseError[]): Node | undefined {
  try {
    return parseTree(text, errors, { allowTrailingComma: true });
  } catch (error) {
    // It calls itself for each level.
    throw new CommandError(EXIT.config, `${file}: the JSON is nested too deeply`, { cause: error });
  }
}

/** JSON lets the last of two win, silently: of two `allow` one would be gone. */
function checkNamedOnce(node: Node, text: string, file: string): void {
  const names = new Set<unknown>();
  for (const child of node.children ?? []) {
    const name = child.type === 'property' ? child.children?.[0] : undefined;
    if (name && names.has(name.value)) {
      const place = placeOf(text, name.offset);
      throw new CommandError(EXIT.config, `${file}:${place}: "${String(name.value)}" is there twice`);
    }
    if (name) names.add(name.value);
    checkNamedOnce(child, text, file);
  }
}

/** Line and column, both counted from 1. */
function placeOf(text: string, offset: number): string {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/);
  return `${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

/** What a complaint such as `wstunnel: server[0].port must be ...` or `... rules[1] has no "ulr"` is about. */
function nodeFor(root: Node, message: string): Node {
  const [, name = '', unknown] = /^wstunnel: (\S+)(?: has no ("(?:[^"\\]|\\.)*"))?/.exec(message) ?? [];
  const path = Array.from(
    name.replace(/^options$/, '').matchAll(/\[(\d+)\]|\["([^"]*)"\]|([^.[\]]+)/g),
    (part) => (part[1] === undefined ? (part[2] ?? part[3] ?? '') : Number(part[1])),
  );
  if (unknown !== undefined) path.push(JSON.parse(unknown) as string);
  for (let length = path.length; length > 0; length--) {
    const node = findNodeAtLocation(root, path.slice(0, length));
    // A property's name is what is wrong with one that nobody knows.
    if (node) return unknown !== undefined && length === path.length ? (node.parent ?? node) : node;
  }
  return root;
}

/** One text or a list, each of which is valid. */
function checkTexts(value: unknown, name: string, isValid: (text: string) => boolean, rule: string): void {
  for (const text of readTexts(value, name)) if (!isValid(text)) fail(name, rule, text);
}

/** One text or a list. */
function readTexts(value: unknown, name: string): string[] {
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length === 0) fail(name, 'must be a text or a list of texts', value);
  for (const text of texts) readText(text, name);
  return texts as string[];
}
