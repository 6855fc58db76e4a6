import { basename } from 'node:path';
import type { LeftOutDirective } from '../../../lighttpd/directives/reading-context.js';
import type { Plan } from '../plan.js';

/** One line that lists all ignored directives; no line if the list is empty. */
export function leftOutSummary({ leftOut, config = '' }: Plan): string[] {
  if (leftOut.length === 0) return [];
  const byName = new Map(leftOut.map((one) => [one.name, one]));
  const names = Array.from(byName.values(), shortOf);
  return [`${config}: ignored: ${names.join(', ')}`];
}

/** A line for each ignored directive, with its place. */
export function leftOutLines({ leftOut }: Plan): string[] {
  return leftOut.map((one) => `${one.place}: ${one.name} is ignored${reasonOf(one)}`);
}

function reasonOf({ isIgnored, instead }: LeftOutDirective): string {
  if (isIgnored) return ', by --ignore';
  return instead === undefined ? '' : `: ${instead}`;
}

function shortOf(one: LeftOutDirective): string {
  const line = basename(one.place).replace(/:(\d+)$/, ' line $1');
  const why = one.isIgnored ? '; by --ignore' : one.instead === undefined ? '' : `; ${one.instead}`;
  return `${one.name} (${line}${why})`;
}
