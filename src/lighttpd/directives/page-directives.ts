import { compileCondition, type Visit } from '../../routes/condition.js';
import { everyBlock, type Block } from '../evaluate/blocks.js';
import { ruleHeadOf } from '../conditions/request-condition.js';
import { matchesName } from './refused-directives.js';
import { asBytes, type LighttpdNotation } from '../conditions/url-notation.js';
import type { Problems } from '../syntax/problems.js';
import { readStringValue, readStringList } from '../evaluate/value-readers.js';
import type { Value } from '../evaluate/values.js';

/** Who may ask for what: lighttpd's mod_access, and mod_staticfile's list. */
export const ACCESS_DIRECTIVES = ['url.access-allow', 'url.access-deny', 'static-file.exclude-extensions'];
const REFUSING = ['url.access-allow', 'url.access-deny'];
/** What is served. */
export const PAGE_DIRECTIVES = ['server.document-root', 'index-file.names', 'server.indexfiles'];

/** What a configuration says of the pages for one request. */
export interface PageSettings {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly excluded?: readonly string[];
  readonly documentRoot?: string;
  readonly indexFiles?: readonly string[];
}

/** Pages as a lighttpd.conf has them, for the command, which serves them. */
export interface Pages {
  /** Every folder that some request is served from. */
  readonly folders: readonly string[];
  /** Does it refuse some requests? (mod_access) */
  readonly refuses: boolean;
  settingsOf(visit: Visit): PageSettings;
  /** May this request be answered, by tunnel or page? (mod_access) */
  isAllowed(settings: PageSettings, path: string): boolean;
  /** May a file be served under this path? */
  isServed(settings: PageSettings, path: string): boolean;
}

type Reader = (value: Value, name: string) => PageSettings;

const READERS: Readonly<Record<string, Reader>> = {
  'url.access-allow': (value, name) => ({ allow: endingsOf(value, name) }),
  'url.access-deny': (value, name) => ({ deny: endingsOf(value, name) }),
  'static-file.exclude-extensions': (value, name) => ({ excluded: endingsOf(value, name) }),
  'server.document-root': (value, name) => ({ documentRoot: readStringValue(value, name) }),
  'index-file.names': (value, name) => ({ indexFiles: readStringList(value, name).map(({ text }) => text) }),
  'server.indexfiles': (value, name) => ({ indexFiles: readStringList(value, name).map(({ text }) => text) }),
};

/** A block, ready for requests. */
interface CompiledBlock {
  readonly holds: (visit: Visit) => boolean;
  readonly set: PageSettings;
  readonly children: readonly CompiledBlock[];
  readonly next: CompiledBlock | undefined;
}

/** How the pages are read. */
interface Reading {
  readonly ignore: readonly string[];
  readonly notation: LighttpdNotation;
  readonly problems: Problems;
}

export function readPages(root: Block, how: Reading): Pages {
  const compiled = compile(root, how);
  const endsWith = (path: string, endings: readonly string[]) => {
    const text = how.notation.read(path);
    return endings.some((ending) => text.endsWith(ending));
  };
  return {
    folders: foldersOf(root),
    refuses: everyBlock(root).some(({ settings }) =>
      REFUSING.some((name) => settings.has(name) && !matchesName(name, how.ignore)),
    ),
    settingsOf: (visit) => (compiled ? apply(compiled, visit, {}) : {}),
    // `mod_access_check`: a list of what is allowed counts alone.
    isAllowed: ({ allow = [], deny = [] }, path) =>
      allow.length > 0 ? endsWith(path, allow) : !endsWith(path, deny),
    isServed: ({ excluded = [] }, path) => !endsWith(path, excluded),
  };
}

/** As lighttpd merges: each directive has the value of the last condition that holds (`config_patch_config`). */
function apply(
  { holds, set, children, next }: CompiledBlock,
  visit: Visit,
  before: PageSettings,
): PageSettings {
  if (!holds(visit)) return next ? apply(next, visit, before) : before;
  return children.reduce((settings, child) => apply(child, visit, settings), { ...before, ...set });
}

function foldersOf(root: Block): string[] {
  const roots = everyBlock(root).flatMap(({ settings }) => settings.get('server.document-root') ?? []);
  const texts = roots.map(({ value }) => (value.kind === 'string' ? value.text : ''));
  return [...new Set(texts)].filter((text) => text !== '');
}

/** Undefined where the block and all in it say nothing of pages. */
function compile(block: Block, how: Reading): CompiledBlock | undefined {
  const { condition } = block;
  const next = block.next && compile(block.next, how);
  const children = block.children.map((child) => compile(child, how)).filter((child) => child !== undefined);
  const set = settingsOf(block, how);
  if (Object.keys(set).length === 0 && children.length === 0 && !next) return undefined;
  const head = condition && how.problems.try(() => ruleHeadOf(condition, how.notation));
  const { url, when } = head ?? {};
  const test = when && compileCondition(when);
  return {
    holds: (visit) => (!url || url.test(visit.path)) && (!test || test(visit)),
    ...{ set, children, next },
  };
}

function settingsOf({ settings }: Block, { ignore, problems }: Reading): PageSettings {
  const given = [...settings].filter(([name]) => Object.hasOwn(READERS, name) && !matchesName(name, ignore));
  const read = given.map(([name, { value }]) => problems.try(() => READERS[name]?.(value, name)));
  return read.reduce<PageSettings>((all, one) => ({ ...all, ...one }), {});
}

/** Compared with the path as lighttpd reads it, byte by byte. */
function endingsOf(value: Value, name: string): string[] {
  return readStringList(value, name).map(({ text }) => asBytes(text));
}
