import { dirname, resolve } from 'node:path';
import {
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from 'jsonc-parser';
import { plainMessageOf, TunnelError } from '../../../errors.js';
import { without } from '../../../helpers/without.js';
import { fail, type Check } from '../../../options/checks/fail.js';
import { checkNames, namedOf } from '../../../options/checks/names.js';
import { everyErrorOf, faultOf } from '../../../options/checks/option-error.js';
import { OptionPath, type OptionRef } from '../../../options/checks/option-path.js';
import { checkBoolean, checkText, wholeNumber } from '../../../options/checks/basic.js';
import { readServerOption } from '../../../options/read-hosts.js';
import { readOptions } from '../../../options/read-tunnel.js';
import { checksOf } from '../../../options/row.js';
import { checkRuleList, RULE_CHECKS, TUNNEL_OPTIONS } from '../../../options/tunnel-options.js';
import { listenPathFault, isAbstractSocket } from '../../../sockets/socket-path.js';
import { parseListenAddress } from '../../command-line/bind-and-target.js';
import { CommandError, EXIT } from '../../exit.js';
import type { Config } from './config.js';
import { DRAIN_CHECKS } from './drain-settings.js';
import { HEALTH_RULE, parseHealth, withPath } from './health-address.js';
import { CONNECTIONS_CEILING } from '../server/connection-limit.js';
import { FRAME_RULE, isFrameSource } from '../site/frame-headers.js';
import { webFolder } from '../site/novnc/folder.js';
import { checkNovnc, type NovncSettings } from '../site/novnc/settings.js';
import { fromJson } from './json-values.js';
import { isHostName, NAME_RULE } from '../origins/server-names.js';
import { INDEX, parseLoginFile, type MiddlewareOptions } from '../plan.js';
import { GROUP_RULE, MODE_RULE, readGroup, readMode } from '../server/unix-access.js';
import { checkRecord, recordOfJson, type RecordInJson } from './record-settings.js';
import { checkShared, sharedOfJson, type SharedInJson } from './shared-settings.js';
import { TOKEN_CHECKS, tokensOfJson } from './token-settings.js';
import type { TokenPlace } from '../../../tokens/token-place.js';
import { countOf, isWorkers, WORKERS_RULE, type Workers } from './workers.js';
import { isUserName, readUserName, USER_RULE } from '../user/process-user.js';

/** The command's own options in the file. Paths are resolved against the file's folder. */
interface OwnPart {
  listen?: string | number | readonly (string | number)[];
  unixMode?: string;
  unixGroup?: string;
  web?: string;
  novnc?: NovncSettings;
  cert?: string;
  key?: string;
  clientCa?: string;
  auth?: string | readonly string[];
  tokens?: string | readonly string[];
  tokenFrom?: TokenPlace;
  tokenTargets?: '*' | readonly string[];
  name?: string | readonly string[];
  frame?: string | readonly string[];
  trustProxy?: unknown;
  acceptProxy?: boolean;
  maxConnections?: number;
  workers?: Workers;
  shared?: SharedInJson;
  record?: RecordInJson;
  log?: string;
  grace?: number;
  spread?: number;
  drain?: number;
  linger?: number;
  health?: string | number;
  metrics?: string | number;
  verbose?: boolean;
  runAs?: string;
}

// An option without a check does not compile. (Exported for the test of the table in README.md.)
export const OWN: Readonly<Record<keyof OwnPart, Check>> = {
  listen: (value, name) => {
    for (const text of textsOf(portsAsTexts(value), name)) {
      const address = parseListenAddress(text);
      if (!address) fail(name, 'is PORT, ADDRESS:PORT, :PORT, unix:PATH or fd:3, or a list', value);
      const { socket = '' } = address;
      if (isAbstractSocket(socket))
        fail(name, `can't be listened on (${listenPathFault(socket) ?? ''})`, text);
    }
  },
  unixMode: (value, name) => {
    // JSON has no octal numbers.
    if (typeof value !== 'string' || readMode(value) === undefined)
      fail(name, `${MODE_RULE}, as a text`, value);
  },
  unixGroup: (value, name) => {
    if (typeof value !== 'string' || readGroup(value) === undefined) fail(name, GROUP_RULE, value);
  },
  web: checkText,
  novnc: checkNovnc,
  cert: checkText,
  key: checkText,
  clientCa: checkText,
  auth: (value, name) => void textsOf(value, name),
  ...TOKEN_CHECKS,
  name: (value, name) => checkTexts(value, name, isHostName, NAME_RULE),
  frame: (value, name) => checkTexts(value, name, isFrameSource, FRAME_RULE),
  // Express itself checks the value.
  trustProxy: () => undefined,
  acceptProxy: checkBoolean,
  maxConnections: wholeNumber(1, CONNECTIONS_CEILING),
  workers: (value, name) => {
    if (!isWorkers(value)) fail(name, WORKERS_RULE, value);
  },
  shared: checkShared,
  record: checkRecord,
  log: checkText,
  ...DRAIN_CHECKS,
  health: checkStatusAddress,
  metrics: checkStatusAddress,
  verbose: checkBoolean,
  runAs: (value, name) => {
    if (typeof value !== 'string' || !isUserName(value)) fail(name, USER_RULE, value);
  },
};

function checkStatusAddress(value: unknown, name: OptionRef): void {
  if (!parseHealth(String(portsAsTexts(value)))) fail(name, HEALTH_RULE, value);
}

/** The file itself, in messages that begin with the file's name, line and column. */
const WHOLE_FILE = OptionPath.whole('the file');

// The hosts are checked along with the other options, so that all faults are reported together.
const server: Check = (value, name) => void readServerOption(value, name);
const rules: Check = (value, name) => checkRuleList(value, name, JSON_RULE);
// The command has one tunnel, shares a state among its reloads by itself, has a `shared` and a `record` of its own, and makes no tickets.
const NO_TICKETS = ['tickets', 'session'] as const;
const TUNNEL = without(checksOf(TUNNEL_OPTIONS), 'autoAttach', 'name', 'shared', 'record', ...NO_TICKETS);
const JSON_TUNNEL: Readonly<Record<string, Check>> = { ...TUNNEL, server, rules };
const JSON_RULE: Readonly<Record<string, Check>> = {
  ...{ ...without(RULE_CHECKS, ...NO_TICKETS), server, rules },
  else: (value, name) => checkNames(value, name, JSON_RULE),
};

/** For an option that only a JSON file can set, under its name in the middleware or with dashes: how to set the option. */
export function placeInJson(flag: string): string | undefined {
  const name = flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(JSON_TUNNEL, name)
    ? `set "${name}" in a JSON file, and give --config FILE`
    : undefined;
}

/**
 * Reads the options of the middleware that JSON can express, and the command's own options. Comments and trailing commas are
 * allowed. Throws a {@link CommandError} with a line for each fault: `file:line:column: message`.
 */
export function readJsonConfig(text: string, file: string): Config {
  const root = parse(text, file);
  if (isDeeper(root, MOST_LEVELS)) throw tooDeep(file);
  const folder = dirname(resolve(file));
  const twice = namedTwice(root).map(({ offset, value }) => ({
    offset,
    message: `"${String(value)}" is set twice`,
  }));
  const given: unknown = getNodeValue(root);
  const { value, problems, privateFiles } = fromJson(given, folder);
  const tunnel = () => namedOf(value as object, Object.keys(TUNNEL)) as MiddlewareOptions;
  const errors = [
    ...problems,
    ...errorsOf(() => checkNames(value, WHOLE_FILE, { ...OWN, ...JSON_TUNNEL })),
    ...(problems.length + twice.length > 0 || value === null
      ? []
      : errorsOf(() => void readOptions(tunnel()))),
  ];
  const found = [
    ...twice,
    ...errors.map((error) => ({ offset: nodeFor(root, error).offset, message: plainMessageOf(error) })),
  ].sort((one, other) => one.offset - other.offset);
  const lines = new Set(found.map(({ offset, message }) => `${file}:${placeOf(text, offset)}: ${message}`));
  const [first, ...more] = lines;
  if (first !== undefined) throw new CommandError(EXIT.config, first, { more, cause: errors[0] });
  const own = namedOf(value as object, Object.keys(OWN)) as OwnPart;
  return { isLighttpd: false, tunnel: tunnel(), privateFiles, ...ownOf(own, folder) };
}

/** The errors of a check. */
function errorsOf(check: () => void): readonly TunnelError[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof TunnelError) return everyErrorOf(error);
    throw error;
  }
}

function portsAsTexts(value: unknown): unknown {
  if (typeof value === 'number') return String(value);
  return Array.isArray(value)
    ? value.map((one: unknown) => (typeof one === 'number' ? String(one) : one))
    : value;
}

function ownOf(own: OwnPart, folder: string): Omit<Config, 'isLighttpd' | 'tunnel'> {
  const file = (path: string) => (path === '-' ? path : resolve(folder, path));
  const { web, trustProxy, acceptProxy, maxConnections, verbose, log } = own;
  return {
    listen: [own.listen ?? []].flat().flatMap((one) => {
      const address = parseListenAddress(String(one));
      return address?.socket === undefined ? (address ?? []) : { socket: file(address.socket) };
    }),
    ...((own.unixMode ?? own.unixGroup) !== undefined && { unix: unixOf(own) }),
    ...namedOf(own, Object.keys(DRAIN_CHECKS)),
    ...(own.health !== undefined && { health: withPath(parseHealth(String(own.health)), file) }),
    ...(own.metrics !== undefined && { metrics: withPath(parseHealth(String(own.metrics)), file) }),
    ...(web !== undefined && { web: { folder: webFolder(web, folder, '"web"'), index: INDEX, by: '--web' } }),
    ...(own.novnc !== undefined && { novnc: own.novnc }),
    ...(own.cert !== undefined && { cert: file(own.cert) }),
    ...(own.key !== undefined && { key: file(own.key) }),
    ...(own.clientCa !== undefined && { clientCa: file(own.clientCa) }),
    ...(own.auth !== undefined && { auth: [own.auth].flat().map((one) => parseLoginFile(one, folder)) }),
    ...((own.tokens ?? own.tokenFrom ?? own.tokenTargets) !== undefined && {
      tokens: tokensOfJson(own, file),
    }),
    ...(own.name !== undefined && { names: [own.name].flat() }),
    ...(own.frame !== undefined && { frame: [own.frame].flat() }),
    ...(trustProxy !== undefined && { trustProxy }),
    ...(acceptProxy !== undefined && { acceptProxy }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...(own.workers !== undefined && { workers: countOf(own.workers) }),
    ...(own.shared !== undefined && { shared: sharedOfJson(own.shared, file) }),
    ...(own.record !== undefined && { record: recordOfJson(own.record, file) }),
    ...(verbose !== undefined && { verbose }),
    ...(log !== undefined && { log: file(log) }),
    ...(own.runAs !== undefined && { user: readUserName(own.runAs, '"runAs"') }),
  };
}

function unixOf({ unixMode, unixGroup }: OwnPart): NonNullable<Config['unix']> {
  const mode = unixMode === undefined ? undefined : readMode(unixMode);
  const group = unixGroup === undefined ? undefined : readGroup(unixGroup);
  return { ...(mode !== undefined && { mode }), ...(group !== undefined && { group }) };
}

function parse(text: string, file: string): Node {
  const errors: ParseError[] = [];
  const root = treeOf(text, file, errors);
  const [error] = errors;
  if (root && !error) return root;
  // `PropertyNameExpected` becomes "property name expected".
  const what = error
    ? printParseErrorCode(error.error).replace(/\B[A-Z]/g, (one) => ` ${one.toLowerCase()}`)
    : 'Empty';
  throw new CommandError(
    EXIT.config,
    `${file}:${placeOf(text, error?.offset ?? 0)}: invalid JSON: ${what.toLowerCase()}`,
  );
}

function treeOf(text: string, file: string, errors: ParseError[]): Node | undefined {
  try {
    return parseTree(text, errors, { allowTrailingComma: true });
  } catch (error) {
    // The parser calls itself for each level, and the stack overflows.
    throw tooDeep(file, error);
  }
}

/** Limit of nesting, since each check calls itself for the values inside. Objects, lists and properties count as levels. */
const MOST_LEVELS = 1000;

function isDeeper(node: Node, levels: number): boolean {
  return levels === 0 || (node.children ?? []).some((child) => isDeeper(child, levels - 1));
}

function tooDeep(file: string, cause?: unknown): CommandError {
  return new CommandError(EXIT.config, `${file}: the JSON is nested too deeply`, { cause });
}

/** JSON parsers silently keep the last of two properties with one name: one of two `allow` lists would be lost. */
function namedTwice(node: Node): Node[] {
  const names = new Set<unknown>();
  return (node.children ?? []).flatMap((child) => {
    const name = child.type === 'property' ? child.children?.[0] : undefined;
    const isTwice = name !== undefined && names.has(name.value);
    if (name) names.add(name.value);
    return [...(isTwice ? [name] : []), ...namedTwice(child)];
  });
}

/** Line and column, both counted from 1. */
function placeOf(text: string, offset: number): string {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/);
  return `${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

/** The value that an error is about, or the nearest enclosing value in the file; for an unknown option, its name. */
function nodeFor(root: Node, error: TunnelError): Node {
  const fault = faultOf(error);
  const keys = fault?.path.keys ?? [];
  for (let length = keys.length; length > 0; length--) {
    const node = findNodeAtLocation(root, keys.slice(0, length));
    if (node) return fault?.isUnknownKey && length === keys.length ? (node.parent ?? node) : node;
  }
  return root;
}

/** Checks a text, or a list of texts. */
function checkTexts(value: unknown, name: OptionRef, isValid: (text: string) => boolean, rule: string): void {
  for (const text of textsOf(value, name)) if (!isValid(text)) fail(name, rule, text);
}

/** The texts of an option: one text, or a list of texts. */
function textsOf(value: unknown, name: OptionRef): string[] {
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length === 0) fail(name, 'must be a text or a list of texts', value);
  for (const text of texts) checkText(text, name);
  return texts as string[];
}
