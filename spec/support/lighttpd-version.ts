import { execFileSync } from 'node:child_process';

/** The lighttpd that specs run: the installed one, or that of `WSTUNNEL_SPEC_LIGHTTPD=/path/to/lighttpd`. */
export const LIGHTTPD = process.env.WSTUNNEL_SPEC_LIGHTTPD ?? 'lighttpd';

/** Such as `1.4.69`; undefined where none is installed. */
export const LIGHTTPD_VERSION = readVersion();

function readVersion(): string | undefined {
  try {
    const text = execFileSync(LIGHTTPD, ['-v'], { encoding: 'utf8', timeout: 20_000 });
    const [, version] = /lighttpd\/(\d+(?:\.\d+)+)/.exec(text) ?? [];
    if (version === undefined) throw new Error(`${LIGHTTPD} -v prints no version: ${text}`);
    return version;
  } catch (error) {
    if (process.env.WSTUNNEL_SPEC_LIGHTTPD === undefined) return undefined;
    throw new Error('WSTUNNEL_SPEC_LIGHTTPD must be the path of a lighttpd', { cause: error });
  }
}

/** A title that says which lighttpd it was. */
export function besideLighttpd(title: string): string {
  return `${title}, beside lighttpd ${LIGHTTPD_VERSION ?? '(missing)'}`;
}

/** What lighttpd does, where that has changed. */
export class ByVersion {
  /** The first version that does so, and what it does; the first entry holds for all before the second. */
  readonly entries: readonly (readonly [version: string, seen: unknown])[];

  constructor(values: Readonly<Record<string, unknown>>) {
    this.entries = Object.entries(values);
  }

  at(version: string): unknown {
    return this.entries.findLast(([since], index) => index === 0 || isAtLeast(version, since))?.[1];
  }

  /** Those in which it changed. */
  get changes(): string[] {
    return this.entries.slice(1).map(([version]) => version);
  }
}

/** By the first version that does so, in order: `since({ '1.4.69': 'digits', '1.4.83': 'two bytes' })`. */
export function since(values: Readonly<Record<string, unknown>>): ByVersion {
  return new ByVersion(values);
}

/** Is it this version, or a later one? */
export function isLighttpdSince(least: string): boolean {
  return LIGHTTPD_VERSION !== undefined && isAtLeast(LIGHTTPD_VERSION, least);
}

function isAtLeast(version: string, least: string): boolean {
  return version.localeCompare(least, 'en', { numeric: true }) >= 0;
}
