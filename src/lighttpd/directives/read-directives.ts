import type { RuleOptions } from '../../types.js';
import type { Block, Setting } from '../evaluate/blocks.js';
import { asDirective } from '../syntax/problems.js';
import { errorAt, fileAndLine } from '../syntax/source.js';
import { SERVER_DIRECTIVES } from './block-contents.js';
import { isVariable, matchesName } from './directive-names.js';
import { commandCounterpart, HARMLESS, UNREPORTED } from './harmless-directives.js';
import { readIdleTimes } from './idle-times.js';
import { ACCESS_DIRECTIVES, PAGE_DIRECTIVES } from './page-directives.js';
import type { ReadingContext } from './reading-context.js';
import { refusalOf } from './refused-directives.js';
import { tunnelDirective } from './tunnel-directives.js';

/** The user of the process, applied by the command. */
const PROCESS_DIRECTIVES = ['server.username', 'server.groupname'];

/** Translates a block's own directives into options, without the blocks inside it. */
export function readDirectives(block: Block, context: ReadingContext): RuleOptions {
  const options: RuleOptions = {};
  const { reader, notation, problems } = context;
  for (const [name, setting] of block.settings)
    problems.try(() => {
      const read = tunnelDirective(name, reader);
      if (read) Object.assign(options, read(setting.value, name, notation));
      else if (!isVariable(name)) checkOtherDirective(name, setting, block, context);
    });
  return { ...options, ...problems.try(() => readIdleTimes(block)) };
}

/** A directive that is not about the tunnel is read elsewhere, left out or refused. */
function checkOtherDirective(name: string, setting: Setting, block: Block, context: ReadingContext): void {
  const { reader, ignore } = context;
  const isIgnored = matchesName(name, ignore);
  if (SERVER_DIRECTIVES.includes(name)) {
    const isReadElsewhere = !block.parent || (reader === 'command' && PAGE_DIRECTIVES.includes(name));
    if (isReadElsewhere) return;
    if (!isIgnored)
      throw asDirective(
        errorAt(setting, `${name} applies to the whole server: it can't be set in a condition`),
        name,
      );
  }
  if (isIgnored) {
    leaveOut(name, setting, context, true);
    return;
  }
  const isOfCommand =
    ACCESS_DIRECTIVES.includes(name) || (PROCESS_DIRECTIVES.includes(name) && !block.parent);
  if (reader === 'command' && isOfCommand) return;
  if (matchesName(name, HARMLESS)) {
    if (!UNREPORTED.includes(name)) leaveOut(name, setting, context, false);
    return;
  }
  throw asDirective(errorAt(setting, refusalOf(name, setting, block, reader)), name);
}

function leaveOut(name: string, setting: Setting, context: ReadingContext, isIgnored: boolean): void {
  const instead = commandCounterpart(name);
  const place = fileAndLine(setting);
  context.leaveOut({ name, place, isIgnored, ...(instead !== undefined && { instead }) }, setting);
}
