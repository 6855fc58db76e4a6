import { compileCondition } from '../../routes/compiled-condition.js';
import type { ConditionInput } from '../../routes/compiled-condition.js';
import { everyBlock, type Block } from '../evaluate/blocks.js';
import { ruleHeadOf } from '../conditions/request-condition.js';
import { matchesName } from './directive-names.js';
import type { ReadingContext } from './reading-context.js';
import { byteString } from '../syntax/byte-string.js';
import { readStringValue, readStringList } from '../evaluate/value-readers.js';
import type { Value } from '../evaluate/values.js';

/** Directives that refuse requests: lighttpd's mod_access, and the list of mod_staticfile. */
export const ACCESS_DIRECTIVES = ['url.access-allow', 'url.access-deny', 'static-file.exclude-extensions'];
const REFUSING = ['url.access-allow', 'url.access-deny'];
/** Directives that choose the served files. */
export const PAGE_DIRECTIVES = ['server.document-root', 'index-file.names', 'server.indexfiles'];

/** The settings for pages that apply to one request. */
export interface PageSettings {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly excluded?: readonly string[];
  readonly documentRoot?: string;
  readonly indexFiles?: readonly string[];
}

/** The pages of a lighttpd.conf, which the command serves. */
export interface Pages {
  /** All document roots. */
  readonly folders: readonly string[];
  /** Whether some requests are refused (mod_access). */
  readonly refuses: boolean;
  settingsOf(visit: ConditionInput): PageSettings;
  /** Whether this request may get a tunnel or a page (mod_access). */
  isAllowed(settings: PageSettings, path: string): boolean;
  /** Whether a file may be served under this path (mod_staticfile). */
  isServed(settings: PageSettings, path: string): boolean;
}

type PageReader = (value: Value, name: string) => PageSettings;

const READERS: Readonly<Record<string, PageReader>> = {
  'url.access-allow': (value, name) => ({ allow: endingsOf(value, name) }),
  'url.access-deny': (value, name) => ({ deny: endingsOf(value, name) }),
  'static-file.exclude-extensions': (value, name) => ({ excluded: endingsOf(value, name) }),
  'server.document-root': (value, name) => ({ documentRoot: readStringValue(value, name) }),
  'index-file.names': (value, name) => ({ indexFiles: readStringList(value, name).map(({ text }) => text) }),
  'server.indexfiles': (value, name) => ({ indexFiles: readStringList(value, name).map(({ text }) => text) }),
};

/** A block whose condition is compiled. */
interface CompiledBlock {
  readonly holds: (visit: ConditionInput) => boolean;
  readonly set: PageSettings;
  readonly children: readonly CompiledBlock[];
  readonly next: CompiledBlock | undefined;
}

type Context = Pick<ReadingContext, 'ignore' | 'notation' | 'problems'>;

export function readPages(root: Block, context: Context): Pages {
  const compiled = compile(root, context);
  const endsWith = (path: string, endings: readonly string[]) => {
    const text = context.notation.read(path);
    return endings.some((ending) => text.endsWith(ending));
  };
  return {
    folders: foldersOf(root),
    refuses: everyBlock(root).some(({ settings }) =>
      REFUSING.some((name) => settings.has(name) && !matchesName(name, context.ignore)),
    ),
    settingsOf: (visit) => (compiled ? apply(compiled, visit, {}) : {}),
    // `mod_access_check`: a list of allowed endings disables the other list.
    isAllowed: ({ allow = [], deny = [] }, path) =>
      allow.length > 0 ? endsWith(path, allow) : !endsWith(path, deny),
    isServed: ({ excluded = [] }, path) => !endsWith(path, excluded),
  };
}

/** Merges as lighttpd does: the last condition that holds sets the value of a directive (`config_patch_config`). */
function apply(
  { holds, set, children, next }: CompiledBlock,
  visit: ConditionInput,
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

/** Undefined if neither the block nor any block inside it has settings for pages. */
function compile(block: Block, context: Context): CompiledBlock | undefined {
  const { condition } = block;
  const next = block.next && compile(block.next, context);
  const children = block.children
    .map((child) => compile(child, context))
    .filter((child) => child !== undefined);
  const set = settingsOf(block, context);
  if (Object.keys(set).length === 0 && children.length === 0 && !next) return undefined;
  const head = condition && context.problems.try(() => ruleHeadOf(condition, context.notation));
  const { url, when } = head ?? {};
  const test = when && compileCondition(when);
  return {
    holds: (visit) => (!url || url.test(visit.path)) && (!test || test(visit)),
    ...{ set, children, next },
  };
}

function settingsOf({ settings }: Block, { ignore, problems }: Context): PageSettings {
  const given = [...settings].filter(([name]) => Object.hasOwn(READERS, name) && !matchesName(name, ignore));
  const read = given.map(([name, { value }]) => problems.try(() => READERS[name]?.(value, name)));
  return read.reduce<PageSettings>((all, one) => ({ ...all, ...one }), {});
}

/** As byte strings, for a comparison with the path as lighttpd reads it. */
function endingsOf(value: Value, name: string): string[] {
  return readStringList(value, name).map(({ text }) => byteString(text));
}
