import type { LighttpdNotation } from '../conditions/url-notation.js';
import type { Problems } from '../syntax/problems.js';
import type { Place } from '../syntax/source.js';
import type { ConfReader } from './directive-names.js';

/** How the directives of a configuration are read. */
export interface ReadingContext {
  readonly reader: ConfReader;
  /** Directives to skip, in lower case. */
  readonly ignore: readonly string[];
  readonly notation: LighttpdNotation;
  readonly problems: Problems;
  /** Called for each directive that is left out. */
  readonly leaveOut: (directive: LeftOutDirective, place: Place) => void;
}

/** A directive that has no effect here. */
export interface LeftOutDirective {
  readonly name: string;
  /** `file:line`. */
  readonly place: string;
  /** Was the directive skipped by the option `ignore`? */
  readonly isIgnored: boolean;
  /** What the command does instead of the directive. */
  readonly instead?: string;
}
