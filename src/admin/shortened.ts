import { flatCopy } from '../helpers/flat-copy.js';
import { cut } from '../helpers/one-line.js';

/** Limit of the characters of a user name, URL, id of a host, or reason: clients choose such texts, of up to 16 KiB. */
const LONGEST = 1000;

/** A text of at most 1,000 characters that keeps no longer text in memory. */
export function shortened(text: string): string {
  return text.length <= LONGEST ? text : flatCopy(cut(text, LONGEST));
}
