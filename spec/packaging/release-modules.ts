import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './packed.js';

interface ReleaseChecks {
  readonly NEEDED: readonly string[];
  readonly treeFaults: (root: string) => string[];
  readonly versionFaults: (root: string) => string[];
  readonly changelogFaults: (root: string, today?: string) => string[];
  readonly tagFaults: (root: string, tag?: string) => string[];
  readonly distTagOf: (root: string) => string;
  readonly contentFaults: (size: number, paths: readonly string[]) => string[];
}

interface Owner {
  readonly ownerFaults: (root: string) => string[];
  /** Returns the faults of the arguments. */
  readonly runOwner: (args: readonly string[], root: string) => string[];
}

interface Bundle {
  readonly BUNDLED: Readonly<Record<string, readonly string[]>>;
  /** The packages compiled into each bundled package, with the licences. */
  readonly COMPILED_IN: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly loadBundled: (text: string, file: string) => string;
}

const load = (file: string): Promise<unknown> => import(pathToFileURL(join(ROOT, '.ci/package', file)).href);

/** Scripts of `.ci/` have no types. */
export const releaseChecks = (await load('release-checks.mjs')) as ReleaseChecks;
export const owner = (await load('owner.mjs')) as Owner;
export const bundle = (await load('bundle.mjs')) as Bundle;
