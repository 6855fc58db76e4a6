import { execFileSync } from 'node:child_process';

/** The lighttpd under test: the installed one, or `WSTUNNEL_SPEC_LIGHTTPD=/path/to/lighttpd`. */
export const LIGHTTPD = process.env.WSTUNNEL_SPEC_LIGHTTPD ?? 'lighttpd';

/** For example `1.4.69`; undefined if lighttpd is not installed. */
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

/** A title with the version of lighttpd. */
export function besideLighttpd(title: string): string {
  return `${title}, beside lighttpd ${LIGHTTPD_VERSION ?? '(missing)'}`;
}

/** A behaviour of lighttpd that changed between versions. */
export class ByVersion {
  /** Pairs of a behaviour and the first version with it; the first pair also applies to older versions. */
  readonly entries: readonly (readonly [version: string, seen: unknown])[];

  constructor(values: Readonly<Record<string, unknown>>) {
    this.entries = Object.entries(values);
  }

  at(version: string): unknown {
    return this.entries.findLast(([since], index) => index === 0 || isAtLeast(version, since))?.[1];
  }

  /** The versions that changed the behaviour. */
  get changes(): string[] {
    return this.entries.slice(1).map(([version]) => version);
  }
}

/** A behaviour by the first version that shows it, in order: `since({ '1.4.69': 'digits', '1.4.83': 'two bytes' })`. */
export function since(values: Readonly<Record<string, unknown>>): ByVersion {
  return new ByVersion(values);
}

/** Is the lighttpd under test of this version or a later one? */
export function isLighttpdSince(least: string): boolean {
  return LIGHTTPD_VERSION !== undefined && isAtLeast(LIGHTTPD_VERSION, least);
}

function isAtLeast(version: string, least: string): boolean {
  return version.localeCompare(least, 'en', { numeric: true }) >= 0;
}
