import { readFileSync } from 'node:fs';
import type { Deployment } from 'kubernetes-types/apps/v1.js';
import { parse } from 'yaml';

export const KUBERNETES = new URL('../../demo/kubernetes/', import.meta.url);
export const DOCKER = new URL('../../demo/docker/', import.meta.url);

/** The settings of the command that a deployment uses. */
export interface Settings {
  readonly listen: string;
  readonly health: string;
  readonly metrics: string;
  readonly linger: number;
  readonly grace: number;
  readonly spread: number;
  readonly drain: number;
  readonly [option: string]: unknown;
}

export function textOf(file: string, folder = KUBERNETES): string {
  return readFileSync(new URL(file, folder), 'utf8');
}

/** The object in a file of demo/kubernetes; `manifests.spec.ts` checks its type. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
export function manifest<Kind>(file: string): Kind {
  return parse(textOf(file)) as Kind;
}

/** A value that the manifests must have. */
export function given<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new Error(`the manifests lack ${name}`);
  return value;
}

export const SETTINGS = JSON.parse(textOf('config.json')) as Settings;

export const DEPLOYMENT = manifest<Deployment>('deployment.yaml');
export const POD = given(DEPLOYMENT.spec?.template.spec, 'the spec of the pods');
export const CONTAINER = given(POD.containers[0], 'a container');
/** The arguments for the state that all pods share, and the other arguments. */
const SHARED_AT = given(CONTAINER.args, 'args').indexOf('--shared');
export const ARGS = given(CONTAINER.args, 'args').slice(0, SHARED_AT);
export const SHARED = given(CONTAINER.args, 'args').slice(SHARED_AT);
export const ROLLING = given(DEPLOYMENT.spec?.strategy?.rollingUpdate, 'rollingUpdate');
