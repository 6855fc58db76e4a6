import { onOneLine } from '../../../helpers/one-line.js';
import type { RefuseInfo } from '../../../types.js';

/** Most remembered origins. */
const MAX_KNOWN = 1000;
/** Most lines in a period, since a client may invent any number of origins. */
const MAX_LINES = 20;
/** Length of a period, in ms. */
const PERIOD = 10 * 60_000;

/** The entry for clients without an Origin header, which `--origin LIST` refuses. */
const MISSING = '';

/**
 * Reports each refused origin once, with the option to allow the origin, even without `--verbose`: browsers show no reason, and
 * with a proxy in front the right option depends on the proxy's headers.
 */
export class RefusedOrigins {
  readonly #say: (line: string) => void;
  readonly #now: () => number;
  readonly #known = new Set<string>();
  #since = -Infinity;
  #lines = 0;

  constructor(say: (line: string) => void, now = () => performance.now()) {
    this.#say = say;
    this.#now = now;
  }

  /** `way`: the option that allows pages of this origin. */
  report(origin: string, way: string): void {
    if (this.#isNew(origin)) this.#say(`a page of "${String(onOneLine(origin))}" was refused: ${way}`);
  }

  /** Reports a refusal if the origin is its cause. `isLighttpd`: the settings come from a lighttpd.conf. */
  note({ code, origin }: RefuseInfo, isLighttpd: boolean): void {
    if (code === 'WSTUNNEL_ORIGIN_REFUSED' && origin !== undefined)
      this.report(
        origin,
        isLighttpd ? 'wstunnel.origins in the lighttpd.conf allows its pages' : optionFor(origin),
      );
    if (code === 'WSTUNNEL_ORIGIN_MISSING' && this.#isNew(MISSING))
      this.#say(
        'a client without an Origin header was refused: with a list of origins (--origin), a program must send one of them ' +
          '(connect --origin)',
      );
  }

  /** Forgets all origins, since after a reload a refusal is new information. */
  forget(): void {
    this.#known.clear();
  }

  #isNew(origin: string): boolean {
    if (this.#known.has(origin)) return false;
    if (this.#now() - this.#since >= PERIOD) {
      this.#since = this.#now();
      this.#lines = 0;
    }
    this.#lines++;
    if (this.#lines === MAX_LINES + 1)
      this.#say(
        `pages of more than ${MAX_LINES} origins were refused: further origins are not reported for ${PERIOD / 60_000} minutes ` +
          '(--verbose shows every refusal)',
      );
    if (this.#lines > MAX_LINES) return false;
    this.#known.add(origin);
    const [oldest] = this.#known;
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    return true;
  }
}

/** The option that allows pages of this origin. */
export function optionFor(origin: string): string {
  if (origin === 'null')
    return '"null" is the origin of sandboxed frames and of local files, which every site can create: --origin null would allow them all';
  // Users may paste the text into a shell, and an attacker may have chosen the text.
  const isPlain = /^[a-z][a-z0-9+.-]*:\/\/[\w.:[\]-]*$/i.test(origin);
  return isPlain ? `--origin ${origin} allows its pages` : '--origin allows pages by their origin';
}
